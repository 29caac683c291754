"""Fork, take a list of named steps, become a program: what every start has in common, whatever the steps are.

A step that fails ends the child, and its name with the reason comes back; only a child that took every step runs.
"""

import ctypes
import fcntl
import os
import resource
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from harness.errors import MachineError
from harness.sandbox import syscalls
from harness.sandbox.process import Process

Step = tuple[str, Callable[[], object]]

_PR_SET_PDEATHSIG = 1


class SandboxError(MachineError):
    """A guard that the level promises could not be put up; nothing was started, and nobody's candidate is at fault."""


def start(steps: Sequence[Step]) -> Process:
    """Fork, and take the steps in the child; the last one executes a program, or ends the child with 0.

    Raises:
        SandboxError: a step failed; the message begins with its name.
    """
    told, tell = _report_pipe()
    judge = os.getpid()
    pid = os.fork()
    if pid == 0:
        _take(steps, tell=tell, judge=judge)
    os.close(tell)
    process = Process(pid)
    try:
        with os.fdopen(told, "rb") as report:
            failure = report.read()
    except BaseException:
        process.kill()
        raise
    if failure:
        process.kill()
        raise SandboxError(f"sandbox: {failure.decode(errors='replace')}")
    return process


def _report_pipe() -> tuple[int, int]:
    """Closed by exec: an end of file without a word means that the program runs. Never 0, 1 or 2."""
    ends = os.pipe2(os.O_CLOEXEC)
    told, tell = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3) for end in ends)
    for end in ends:
        os.close(end)
    return told, tell


def _take(steps: Sequence[Step], *, tell: int, judge: int) -> NoReturn:
    """The child's whole life before its program: every step, or none of it counts."""
    doing, reason = "start", "ended early"
    try:
        for name, step in steps:
            doing = name
            step()
            if os.getppid() != judge:
                reason = "the judge is gone"
                break
    except OSError as error:
        reason = str(error)
    finally:
        os.write(tell, f"{doing}: {reason}".encode())
        os._exit(127)


def default_signals() -> None:
    """The judge ignores the terminal, and Python some more; a program must not inherit that."""
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def arrange_descriptors(streams: Sequence[int], keep_fds: Sequence[int]) -> None:
    """Streams to 0, 1, 2; the kept ones stay; all others close when the program starts."""
    safe = [os.dup(stream) for stream in streams]
    for number, stream in enumerate(safe):
        os.dup2(stream, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            with suppress(OSError):  # the listing's own descriptor is closed by now
                os.set_inheritable(int(name), int(name) in keep_fds)


def die_with_parent() -> None:
    """Last of the steps that change credentials, for each of those resets it."""
    syscalls.checked("prctl(PR_SET_PDEATHSIG)", syscalls.LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    os.umask(0o077)


def set_limits(limits: Mapping[int, int]) -> None:
    for kind, value in limits.items():
        _, hard = resource.getrlimit(kind)
        ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (ceiling, ceiling))


class ProgramImage:
    """A program with its arguments and environment, laid out before the fork: afterwards memory may be short."""

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
        arguments = [os.fsencode(word) for word in command]
        variables = [os.fsencode(f"{name}={value}") for name, value in environment.items()]
        self._path = arguments[0]
        self._arguments = (ctypes.c_char_p * (len(arguments) + 1))(*arguments, None)
        self._environment = (ctypes.c_char_p * (len(variables) + 1))(*variables, None)

    def execute(self) -> None:
        """Replace the calling process."""
        syscalls.LIBC.execve(self._path, self._arguments, self._environment)
        number = ctypes.get_errno()
        raise OSError(number, f"{self._path.decode(errors='replace')}: {os.strerror(number)}")


@contextmanager
def null_device() -> Iterator[int]:
    descriptor = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
