"""Changes the user of a process to an unused one, and drops its capabilities (the parts of root's power) for good."""

import ctypes
import os
import pwd
import struct
from pathlib import Path

from harness.sandbox import syscalls

_UNUSED = range(60_578, 61_184)
"""User ids for candidates. Source: systemd's table of user ids calls this range unused."""

_PR_SET_DUMPABLE, _PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _CLEAR_ALL = 4, 23, 24, 47, 4
_PR_SET_NO_NEW_PRIVS = 38
_CAP_SETPCAP = 8
_VERSION_3 = 0x20080522


def unused_uids() -> tuple[int, ...]:
    """Return a tuple of up to 64 user ids, from 60578 to 61183, that belong to no account and to no running process, so
    that candidates can run under them; an empty tuple if all are taken.

    The process number of the caller chooses the first one, so that two judges rarely take the same user id.
    """
    taken = {entry.pw_uid for entry in pwd.getpwall()} | {_owner(path) for path in Path("/proc").glob("[0-9]*")}
    free = [uid for uid in _UNUSED if uid not in taken]
    first = os.getpid() % max(1, len(free))
    return tuple(free[first:] + free[:first])[:64]


def _owner(path: Path) -> int:
    try:
        return path.stat().st_uid
    except OSError:  # the process ended meanwhile
        return -1


def become(uid: int) -> None:
    """Change the calling process to the user id `uid` and the group id of the same number, and drop all its other
    groups. The process cannot change back. Raises OSError if the Linux kernel refuses, for example because the process
    is not root.
    """
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def forbid_new_privileges() -> None:
    """Set no-new-privs for the calling process: programs that it executes gain no rights by set-user-ID bits or file
    capabilities. This cannot be undone. Raises OSError if the Linux kernel refuses.
    """
    syscalls.checked("prctl(PR_SET_NO_NEW_PRIVS)", syscalls.LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def close_bounding_set() -> None:
    """Drop every capability from the bounding set of the calling process, so that root regains none when it executes a
    program. Leave the bounding set as it is in a process without CAP_SETPCAP, which may not change it. Raises OSError
    if the Linux kernel refuses.
    """
    syscalls.LIBC.prctl(_PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)  # EINVAL on kernels without ambient capabilities
    if not capabilities() >> _CAP_SETPCAP & 1:
        return
    capability = 0
    while syscalls.LIBC.prctl(_PR_CAPBSET_READ, capability, 0, 0, 0) >= 0:
        syscalls.checked("prctl(PR_CAPBSET_DROP)", syscalls.LIBC.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0))
        capability += 1


def drop_capabilities() -> None:
    """Drop all effective, permitted and inheritable capabilities (parts of root's power) of the calling process. Raises
    OSError if a capability remains, or if the process is root and could regain capabilities because its bounding set is
    not empty.
    """
    header, empty = struct.pack("=Ii", _VERSION_3, 0), bytes(24)
    syscalls.call("capset", ctypes.c_char_p(header), ctypes.c_char_p(empty))
    if capabilities():
        raise OSError("capabilities remain")
    if os.getuid() == 0 and any(syscalls.LIBC.prctl(_PR_CAPBSET_READ, c, 0, 0, 0) == 1 for c in range(64)):
        raise OSError("root would regain capabilities from its bounding set")


def capabilities() -> int:
    """Return the calling process's effective and permitted capabilities (parts of root's power) together, as a bit mask
    in which bit n stands for capability n; 0 means none. Raises OSError if the Linux kernel refuses.
    """
    header, data = ctypes.create_string_buffer(struct.pack("=Ii", _VERSION_3, 0)), ctypes.create_string_buffer(24)
    syscalls.call("capget", header, data)
    low_effective, low_permitted, _, high_effective, high_permitted, _ = struct.unpack("=6I", data.raw[:24])
    return int(low_effective | low_permitted | (high_effective | high_permitted) << 32)


def hide() -> None:
    """Make the calling process undumpable (prctl PR_SET_DUMPABLE 0): other processes of the same user can no longer
    read its memory, environment or memory maps. Raises OSError if the Linux kernel refuses.
    """
    syscalls.checked("prctl(PR_SET_DUMPABLE)", syscalls.LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0))
