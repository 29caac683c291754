"""Makes seccomp filters, programs by which the Linux kernel refuses chosen system calls of workers (processes that run
candidates) and builds. No library is needed.

A refused call returns EPERM (ENOSYS where the C library has a fallback), which library code handles. Only a call by
another machine's calling convention kills the process. Sources: linux/seccomp.h, linux/filter.h, linux/audit.h.
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
"""Placeholder in a filter for the process number of its process, which is known only after the fork."""

_CLONE_THREAD, _CLONE_NAMESPACES = 0x00010000, 0x7E020080
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX = 8, 10, 15
_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP, _FILTER_MODE = 22, 2
_STOP_AND_CONTINUE = (18, 19, 20, 21, 22)
_OPEN_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

# Refused to builds and workers, because neither a compiler nor a kernel needs them.
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
# Refused to workers, which write no files: Landlock does not restrict chmod, and level 1 has no Landlock.
# fmt: off
_CHANGES_FILES = (
    "creat", "truncate", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink",
    "unlinkat", "mkdir", "mkdirat", "rmdir", "mknod", "mknodat", "chmod", "fchmod", "fchmodat", "chown", "fchown",
    "lchown", "fchownat", "utime", "utimes", "futimesat", "utimensat", "setxattr", "lsetxattr", "fsetxattr",
    "removexattr", "lremovexattr", "fremovexattr",
)
# fmt: on

_CUDA_NEEDS = ("socket", "unlink")
"""Calls without which cuInit fails with error 304 (driver 580). Landlock lets a GPU worker unlink no file."""
_AF_UNIX = 1

Instruction = tuple[int, int, int, int]
"""A BPF instruction as in linux/filter.h: code, jump offset if true, jump offset if false, operand."""


@dataclass(frozen=True, slots=True)
class _Condition:
    """A condition on one argument of a system call, under which `_refuse_when` refuses the call: the argument's number,
    the code of a comparison, the value to compare with, and whether the result is negated. Only the argument's low 32
    bits are compared, because the Linux kernel ignores the high bits of the arguments that are tested here.
    """

    argument: int
    """Number of the argument, from 0."""
    test: int
    """BPF code of the comparison."""
    value: int
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class _Argument:
    """The argument of a system call at position `number`, counted from 0. Its methods `is_equal`, `differs_from`,
    `has_any` and `has_none` take a value or bits and return a _Condition for `_refuse_when`.
    """

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
    """The kind of process for which a filter is made: a worker (runs a candidate) on a CPU, a worker on a GPU, or a
    build. It decides which system calls are refused.
    """

    WORKER = "worker"
    """May start threads but no processes, and changes no file. It may not make POSIX timers: one that sends SIGCONT
    would continue the worker while the judge has stopped it."""
    GPU_WORKER = "gpu worker"
    """A worker that may also open files for writing, because it needs device nodes. Use it only with Landlock, which
    limits the files."""
    BUILD = "build"
    """May fork and write files."""


@dataclass(frozen=True, slots=True)
class Program:
    """A seccomp filter as BPF instructions (the language of Linux's filters), ready to install except that the id of
    the installing process is missing at the places `pid_offsets`; `install` inserts it. The function `program` makes
    it.
    """

    code: ctypes.Array[ctypes.c_char]
    """The BPF instructions."""
    header: ctypes.Array[ctypes.c_char]
    """A `struct sock_fprog` that points to `code`."""
    pid_offsets: tuple[int, ...]
    """Byte offsets in `code` where the process number is written."""

    def install(self) -> None:
        """Apply the filter to the calling process and its future children for good: from now on the Linux kernel
        refuses their forbidden system calls. Raises OSError if the Linux kernel refuses the filter, for example because
        no-new-privs is not set.
        """
        for offset in self.pid_offsets:
            struct.pack_into("=I", self.code, offset, os.getpid())
        result = syscalls.LIBC.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_FILTER_MODE), self.header, 0, 0)
        syscalls.checked("prctl(PR_SET_SECCOMP)", result)


@functools.cache
def program(kind: FilterKind) -> Program:
    """Return the seccomp filter for `kind` (worker on a CPU, worker on a GPU, or build) as a Program, which is made
    once per kind and cached; each forked child calls its `install`. Raises OSError if the machine is neither x86-64 nor
    64-bit ARM.
    """
    if platform.machine() not in _ARCHITECTURE:
        raise OSError(f"no system call filter for {platform.machine()}")
    instructions = [*_head(), *_rules(kind), (_RETURN, 0, 0, _ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *i) for i in instructions))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(instructions), ctypes.addressof(code)))
    offsets = tuple(8 * index + 4 for index, i in enumerate(instructions) if i[3] == _OWN_PID)
    return Program(code, header, offsets)


def _head() -> list[Instruction]:
    """Return a list of the first instructions of every filter: they kill a process that makes a system call by another
    machine's calling convention (such as 32-bit x86). There, the same number means another call, so that the rules of
    the filter would test the wrong calls.
    """
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
    """Return a list of BPF instructions that refuse system calls to workers (processes that run candidates) but not to
    builds: forking, changing files, and signals to other processes. `kind` says whether the worker uses a GPU; a GPU
    worker may make the calls that the CUDA driver needs.

    Signals may go only to the worker itself, as abort() and raise() need, and must not be stop or continue signals, so
    that a worker cannot resume itself while the judge has suspended it.
    """
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
    """Return a list of BPF instructions for a GPU worker's filter: they refuse the creation of every socket (system
    call `socket`) except UNIX sockets, which the CUDA driver needs.

    In an empty network and under Landlock a UNIX socket reaches only sockets in the file system.
    """
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
    """Return a list of BPF instructions that refuse the system call `name` with EPERM if one of its arguments meets
    `condition`, such as `_Argument(0).is_equal(1)`; any other call goes on to the filter's next instruction. The
    instructions expect the system call's number in the accumulator and leave it there. The list is empty if this
    machine does not have the system call.
    """
    if name not in syscalls.NUMBERS:
        return []
    return [
        (_JUMP_EQUAL, 0, 4, syscalls.NUMBERS[name]),
        (_LOAD_WORD, 0, 0, _ARGUMENTS_AT + 8 * condition.argument),
        (condition.test, int(condition.is_negated), int(not condition.is_negated), condition.value),
        (_RETURN, 0, 0, _REFUSE | errno.EPERM),
        (_LOAD_WORD, 0, 0, _NUMBER_AT),
    ]
