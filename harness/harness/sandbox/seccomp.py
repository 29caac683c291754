"""Seccomp filters: which system calls a worker and a build must not make. Raw BPF, without a library.

A refused call answers EPERM, so that honest library code copes; only the wrong calling convention kills. Sources:
linux/seccomp.h, linux/filter.h, linux/audit.h.
"""

import ctypes
import errno
import functools
import os
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from harness.sandbox import syscalls

_LOAD_WORD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_KILL, _REFUSE, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
_OWN_PID = 0xFFFFFFFF
"""Stands in a program for the pid that is known only after the fork."""

_CLONE_THREAD, _CLONE_NAMESPACES = 0x00010000, 0x7E020080
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX = 8, 10, 15
_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP, _FILTER_MODE = 22, 2
_STOP_AND_CONTINUE = (18, 19, 20, 21, 22)
_OPEN_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

# What neither a compiler nor a kernel needs. Grouped by what it would reach.
# fmt: off
_ALWAYS = (
    "setsid", "setpgid", "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr",
    "setpriority", "ioprio_set", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise",
    "process_mrelease", "pidfd_getfd", "pidfd_open", "pidfd_send_signal", "kcmp", "move_pages", "migrate_pages",
    "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "io_uring_setup", "io_uring_enter", "io_uring_register",
    "io_setup", "bpf", "perf_event_open", "userfaultfd", "seccomp", "personality", "unshare", "setns", "mount",
    "umount2", "pivot_root", "chroot", "fsopen", "fsconfig", "fsmount", "fspick", "open_tree", "move_mount",
    "mount_setattr", "socket", "socketpair", "keyctl", "add_key", "request_key", "shmget", "msgget", "semget",
    "mq_open", "mq_notify", "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module",
    "open_by_handle_at", "name_to_handle_at", "fanotify_init", "quotactl", "quotactl_fd", "acct", "swapon",
    "swapoff", "reboot", "syslog", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname",
    "setdomainname", "iopl", "ioperm", "vhangup", "modify_ldt", "uselib", "memfd_secret",
)
# fmt: on
# Landlock knows no chmod, and level 1 has no Landlock: a worker, which writes no files, may not change any.
# fmt: off
_CHANGES_FILES = (
    "creat", "truncate", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink",
    "unlinkat", "mkdir", "mkdirat", "rmdir", "mknod", "mknodat", "chmod", "fchmod", "fchmodat", "chown", "fchown",
    "lchown", "fchownat", "utime", "utimes", "futimesat", "utimensat", "setxattr", "lsetxattr", "fsetxattr",
    "removexattr", "lremovexattr", "fremovexattr",
)
# fmt: on

_CUDA_NEEDS = ("socket", "unlink")
"""cuInit answers error 304 where these are refused (driver 580); what Landlock lets be unlinked is nothing."""
_AF_UNIX = 1

Instruction = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Condition:
    """A test of the low 32 bits of an argument: all that the kernel reads of the arguments examined here."""

    argument: int
    test: int
    value: int
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class _Argument:
    """An argument of a system call, counted from 0."""

    number: int

    def is_equal(self, value: int) -> _Condition:
        return _Condition(self.number, _JUMP_EQUAL, value)

    def differs_from(self, value: int) -> _Condition:
        return _Condition(self.number, _JUMP_EQUAL, value, is_negated=True)

    def has_any(self, bits: int) -> _Condition:
        return _Condition(self.number, _JUMP_ANY_BIT, bits)

    def has_none(self, bits: int) -> _Condition:
        return _Condition(self.number, _JUMP_ANY_BIT, bits, is_negated=True)


class FilterKind(Enum):
    """Whom a filter is for."""

    WORKER = "worker"
    """One process, threads only, changes no file. A timer that sends SIGCONT would let it run while it must stand
    still, so it has no timers that choose their signal."""
    GPU_WORKER = "gpu worker"
    """A worker that also opens its device nodes to write: Landlock says which, so only with it."""
    BUILD = "build"
    """May fork and write files."""


@dataclass(frozen=True, slots=True)
class Program:
    """A filter, complete but for the pid of the process that installs it."""

    code: ctypes.Array[ctypes.c_char]
    header: ctypes.Array[ctypes.c_char]
    pid_places: tuple[int, ...]

    def install(self) -> None:
        """Bind the calling process and its children for good; it must have set no-new-privs.

        Raises:
            OSError: refused.
        """
        for place in self.pid_places:
            struct.pack_into("=I", self.code, place, os.getpid())
        result = syscalls.LIBC.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_FILTER_MODE), self.header, 0, 0)
        syscalls.checked("prctl(PR_SET_SECCOMP)", result)


@functools.cache
def program(kind: FilterKind) -> Program:
    """The filter for a worker or a build, made once; a child completes its own copy after the fork.

    Raises:
        OSError: a machine whose calls are not known.
    """
    if platform.machine() not in _ARCHITECTURE:
        raise OSError(f"no system call filter for {platform.machine()}")
    instructions = [*_head(), *_rules(kind), (_RETURN, 0, 0, _ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *i) for i in instructions))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(instructions), ctypes.addressof(code)))
    places = tuple(8 * at + 4 for at, i in enumerate(instructions) if i[3] == _OWN_PID)
    return Program(code, header, places)


def _head() -> list[Instruction]:
    """Only this machine's own calling convention."""
    head = [
        (_LOAD_WORD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_EQUAL, 1, 0, _ARCHITECTURE[platform.machine()]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD_WORD, 0, 0, _NUMBER_AT),
    ]
    if platform.machine() == "x86_64":
        head += [(_JUMP_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    return head


def _rules(kind: FilterKind) -> list[Instruction]:
    on_gpu = kind is FilterKind.GPU_WORKER
    rules = [
        *_refuse(name for name in _ALWAYS if not (on_gpu and name in _CUDA_NEEDS)),
        *_refuse(["clone3"], error=errno.ENOSYS),  # its flags lie in memory; the C library falls back to clone
        *_refuse_when("clone", _Argument(0).has_any(_CLONE_NAMESPACES)),
        *_refuse_when("prctl", _Argument(0).is_equal(_PR_SET_PDEATHSIG)),
        *_refuse_when("prlimit64", _Argument(0).differs_from(0)),
    ]
    for command in (_F_SETOWN, _F_SETSIG, _F_SETOWN_EX):
        rules += _refuse_when("fcntl", _Argument(1).is_equal(command))
    if kind is FilterKind.BUILD:
        return rules
    return rules + _worker_rules(kind) + (_only_unix_sockets() if on_gpu else _no_writing())


def _worker_rules(kind: FilterKind) -> list[Instruction]:
    """abort() and raise() signal the process itself; no signal may reach another, nor undo the judge's stop."""
    changes = (name for name in _CHANGES_FILES if not (kind is FilterKind.GPU_WORKER and name in _CUDA_NEEDS))
    rules = [
        *_refuse(["fork", "vfork", "timer_create", "memfd_create", *changes]),
        *_refuse(["openat2"], error=errno.ENOSYS),  # its flags lie in memory
        *_refuse_when("clone", _Argument(0).has_none(_CLONE_THREAD)),
    ]
    for name, signal_argument in (("kill", 1), ("tgkill", 2)):
        rules += _refuse_when(name, _Argument(0).differs_from(_OWN_PID))
        for number in _STOP_AND_CONTINUE:
            rules += _refuse_when(name, _Argument(signal_argument).is_equal(number))
    return rules


def _only_unix_sockets() -> list[Instruction]:
    """In a network of its own, and under Landlock, one of these reaches nobody."""
    return _refuse_when("socket", _Argument(0).differs_from(_AF_UNIX))


def _no_writing() -> list[Instruction]:
    return [
        *_refuse_when("open", _Argument(1).has_any(_OPEN_TO_WRITE)),
        *_refuse_when("openat", _Argument(2).has_any(_OPEN_TO_WRITE)),
    ]


def _refuse(names: Iterable[str], *, error: int = errno.EPERM) -> list[Instruction]:
    numbers = [syscalls.NUMBERS[name] for name in names if name in syscalls.NUMBERS]
    return [i for n in numbers for i in ((_JUMP_EQUAL, 0, 1, n), (_RETURN, 0, 0, _REFUSE | error))]


def _refuse_when(name: str, condition: _Condition) -> list[Instruction]:
    """Refuse a call whose argument meets a condition."""
    if name not in syscalls.NUMBERS:
        return []
    return [
        (_JUMP_EQUAL, 0, 4, syscalls.NUMBERS[name]),
        (_LOAD_WORD, 0, 0, _ARGUMENTS_AT + 8 * condition.argument),
        (condition.test, int(condition.is_negated), int(not condition.is_negated), condition.value),
        (_RETURN, 0, 0, _REFUSE | errno.EPERM),
        (_LOAD_WORD, 0, 0, _NUMBER_AT),
    ]
