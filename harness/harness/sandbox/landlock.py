"""Landlock: which files a process may read, run and write. Knows the kernel's interface, not what a candidate needs.

Source of the constants: linux/landlock.h. Older kernels know fewer rights: what they do not know is masked away, and
`abi` is stored with the isolation.
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
"""Everything that a program may do to its own folder, but not run what it wrote there."""
DRIVE = READ_FILE | WRITE_FILE | IOCTL_DEV
_FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_CONNECT_AND_BIND_TCP = 0b11
_SCOPE_ABSTRACT_UNIX_AND_SIGNALS = 0b11
_FILE_BITS = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many rights each version handles; 16 from version 5 on."""
_CREATE_RULESET_VERSION, _RULE_PATH_BENEATH = 1, 1


def abi() -> int:
    """The kernel's Landlock version; 0 where it has none or it is switched off."""
    try:
        return syscalls.call("landlock_create_ruleset", 0, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


@dataclass(frozen=True, slots=True)
class Grant:
    """Rights on paths; a folder counts with all below it."""

    paths: tuple[Path, ...]
    rights: int


def ruleset(*grants: Grant) -> int:
    """Return a ruleset as a descriptor (close-on-exec) that denies every file access but these.

    Raises:
        OSError: no Landlock, or a path does not exist.
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
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _FILE_RIGHTS
        rule = struct.pack("=Qi", rights, place)
        syscalls.call("landlock_add_rule", ruleset_fd, _RULE_PATH_BENEATH, ctypes.c_char_p(rule), 0)
    finally:
        os.close(place)


def enforce(ruleset_fd: int, *, own_process: bool = False) -> None:
    """Bind the calling process and its children for good; it must have set no-new-privs.

    `own_process` grants the process its own folder in /proc, and no other's: a GPU's driver writes there.

    Raises:
        OSError: refused.
    """
    if own_process:
        _allow(ruleset_fd, Path("/proc") / str(os.getpid()), rights=READ | WRITE_FILE | TRUNCATE)
    syscalls.call("landlock_restrict_self", ruleset_fd, 0)
