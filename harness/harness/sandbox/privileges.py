"""Users and capabilities: become somebody who owns nothing, and give up every special right for good."""

import ctypes
import os
import pwd
import struct
from pathlib import Path

from harness.sandbox import syscalls

# Neither accounts nor any service manager's dynamic users: systemd's table of user ids calls this range unused.
_UNUSED = range(60_578, 61_184)

_PR_SET_DUMPABLE, _PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _CLEAR_ALL = 4, 23, 24, 47, 4
_PR_SET_NO_NEW_PRIVS = 38
_CAP_SETPCAP = 8
_VERSION_3 = 0x20080522


def unused_uids() -> tuple[int, ...]:
    """User ids that no account and no process has, rotated so that two judges rarely take the same one."""
    taken = {entry.pw_uid for entry in pwd.getpwall()} | {_owner(path) for path in Path("/proc").glob("[0-9]*")}
    free = [uid for uid in _UNUSED if uid not in taken]
    turn = os.getpid() % max(1, len(free))
    return tuple(free[turn:] + free[:turn])[:64]


def _owner(path: Path) -> int:
    try:
        return path.stat().st_uid
    except OSError:  # the process ended while we looked
        return -1


def become(uid: int) -> None:
    """Take a user id and the group of the same number, without any other group; there is no way back.

    Raises:
        OSError: refused.
    """
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def forbid_new_privileges() -> None:
    """No program started from here on gains rights by its set-user-ID bit or file capabilities."""
    syscalls.checked("prctl(PR_SET_NO_NEW_PRIVS)", syscalls.LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def close_bounding_set() -> None:
    """Drop every capability from the bounding set, so that root regains none by exec; needs CAP_SETPCAP or nothing.

    Raises:
        OSError: refused to a process that holds capabilities.
    """
    syscalls.LIBC.prctl(_PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)  # EINVAL on kernels without ambient capabilities
    if not capabilities() >> _CAP_SETPCAP & 1:
        return
    capability = 0
    while syscalls.LIBC.prctl(_PR_CAPBSET_READ, capability, 0, 0, 0) >= 0:
        syscalls.checked("prctl(PR_CAPBSET_DROP)", syscalls.LIBC.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0))
        capability += 1


def drop_capabilities() -> None:
    """Hold none from here on: effective, permitted and inheritable.

    Raises:
        OSError: some remain, or root could regain some.
    """
    header, empty = struct.pack("=Ii", _VERSION_3, 0), bytes(24)
    syscalls.call("capset", ctypes.c_char_p(header), ctypes.c_char_p(empty))
    if capabilities():
        raise OSError("capabilities remain")
    if os.getuid() == 0 and any(syscalls.LIBC.prctl(_PR_CAPBSET_READ, c, 0, 0, 0) == 1 for c in range(64)):
        raise OSError("root would regain capabilities from its bounding set")


def capabilities() -> int:
    """The calling process's effective and permitted capabilities, as bits."""
    header, data = ctypes.create_string_buffer(struct.pack("=Ii", _VERSION_3, 0)), ctypes.create_string_buffer(24)
    syscalls.call("capget", header, data)
    low_effective, low_permitted, _, high_effective, high_permitted, _ = struct.unpack("=6I", data.raw[:24])
    return int(low_effective | low_permitted | (high_effective | high_permitted) << 32)


def hide() -> None:
    """Keep processes of the same user out of this one's memory, environment and maps.

    Raises:
        OSError: refused.
    """
    syscalls.checked("prctl(PR_SET_DUMPABLE)", syscalls.LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0))
