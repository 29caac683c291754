"""Restricts which files a process may read, execute and write, with Landlock (a security module of Linux).

This module knows the kernel's interface; it does not know which files a candidate needs. Source of the constants:
linux/landlock.h. An older kernel supports fewer rights; rights that it does not support are masked out.
"""

import ctypes
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

from harness.sandbox import syscalls

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
READ = READ_FILE | READ_DIR
RUN = READ | EXECUTE
OWN = ~(EXECUTE | IOCTL_DEV)
"""Rights of a build on its private folder: all except executing files and device ioctls."""
DRIVE = READ_FILE | WRITE_FILE | IOCTL_DEV
"""Rights on a device node: read, write, ioctl."""
_FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_CONNECT_AND_BIND_TCP = 0b11
_SCOPE_ABSTRACT_UNIX_AND_SIGNALS = 0b11
_FILE_BITS = {1: 13, 2: 14, 3: 15, 4: 15}
"""Landlock version -> number of file rights that it handles; 16 from version 5 on."""
_CREATE_RULESET_VERSION, _RULE_PATH_BENEATH = 1, 1


def abi() -> int:
    """Return the version of the Landlock interface that the running Linux kernel offers: a number from 1, where a
    higher version supports more kinds of rights, or 0 if the kernel has no Landlock or it is switched off. Never
    raises.
    """
    try:
        return syscalls.call("landlock_create_ruleset", 0, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


@dataclass(frozen=True, slots=True)
class Grant:
    """Some paths and the rights that a sandboxed process gets on them: `rights` is a bit mask, one of the constants of
    this module such as `READ` (read files) or `RUN` (read and execute). Rights on a folder hold for everything below
    it. `ruleset` takes any number of grants.
    """

    paths: tuple[Path, ...]
    rights: int


def ruleset(*grants: Grant) -> int:
    """Return a file descriptor of a new Landlock ruleset that denies every file access except what `grants` (paths with
    rights) permit. The ruleset has no effect until the caller passes the descriptor to `enforce`; afterwards the caller
    closes it. Raises OSError if the Linux kernel has no Landlock, or a path of a grant does not exist.

    The descriptor has close-on-exec. TCP connections, abstract UNIX sockets and signals to other processes are denied
    too, if the Linux kernel's Landlock supports it.
    """
    version = abi()
    handled = (1 << _FILE_BITS.get(version, 16)) - 1
    attributes = struct.pack(
        "QQQ",
        handled,
        _CONNECT_AND_BIND_TCP if version >= 4 else 0,
        _SCOPE_ABSTRACT_UNIX_AND_SIGNALS if version >= 6 else 0,
    )
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    descriptor = syscalls.call("landlock_create_ruleset", ctypes.c_char_p(attributes), size, 0)
    try:
        for grant in grants:
            for path in grant.paths:
                _allow(descriptor, path, rights=grant.rights & handled)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _allow(ruleset_fd: int, path: Path, *, rights: int) -> None:
    path_fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(path_fd).st_mode):
            rights &= _FILE_RIGHTS
        rule = struct.pack("=Qi", rights, path_fd)
        syscalls.call("landlock_add_rule", ruleset_fd, _RULE_PATH_BENEATH, ctypes.c_char_p(rule), 0)
    finally:
        os.close(path_fd)


def enforce(ruleset_fd: int, *, own_process: bool = False) -> None:
    """Apply a ruleset, given by the file descriptor that `ruleset` returned, to the calling process and its future
    children for good. If `own_process` is true, the process may also read and write its own folder in /proc, which a
    GPU driver needs. Raises OSError if the Linux kernel refuses.

    The process must have set no-new-privs before.
    """
    if own_process:
        _allow(ruleset_fd, Path("/proc") / str(os.getpid()), rights=READ | WRITE_FILE | TRUNCATE)
    syscalls.call("landlock_restrict_self", ruleset_fd, 0)
