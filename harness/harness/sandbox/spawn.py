"""Starts a child process: fork, then named setup steps in the child, the last of which executes a program.

A step that fails ends the child; the parent receives the name of the step and the reason. The program runs only if
every step before it succeeded.
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
"""A setup step of a child process: its name, for error messages, and a function that raises OSError if it fails."""

_PR_SET_PDEATHSIG = 1


class SandboxError(MachineError):
    """The sandbox could not be set up, for a reason that is not the candidate's fault; no program was started."""


def start(steps: Sequence[Step]) -> Process:
    """Fork a child that runs the steps in order; return the child once its last step has executed or ended it.

    The last step must not return: it executes a program or ends the child.

    Raises:
        SandboxError: if a step failed; the message names the step and the reason.
    """
    report_read, report_write = _report_pipe()
    judge = os.getpid()
    pid = os.fork()
    if pid == 0:
        _run_steps(steps, report_fd=report_write, judge=judge)
    os.close(report_write)
    process = Process(pid)
    try:
        with os.fdopen(report_read, "rb") as report:
            failure = report.read()
    except BaseException:
        process.kill()
        raise
    if failure:
        process.kill()
        raise SandboxError(f"sandbox: {failure.decode(errors='replace')}")
    return process


def _report_pipe() -> tuple[int, int]:
    """Return the read and write descriptors of a new pipe, for the child's report of a failed step.

    Both have close-on-exec: if the parent reads end of file without a message, the program was executed. Their numbers
    are above 2, because `arrange_descriptors` replaces 0, 1 and 2.
    """
    ends = os.pipe2(os.O_CLOEXEC)
    read_fd, write_fd = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3) for end in ends)
    for end in ends:
        os.close(end)
    return read_fd, write_fd


def _run_steps(steps: Sequence[Step], *, report_fd: int, judge: int) -> NoReturn:
    """Run the steps in the child; write the name of a failed step and the reason to `report_fd` and exit with 127.

    `judge` is the process number of the parent; the child ends if the parent has died.
    """
    step_name, reason = "start", "the child ended too early"
    try:
        for name, step in steps:
            step_name = name
            step()
            if os.getppid() != judge:
                reason = "the judge has ended"
                break
    except OSError as error:
        reason = str(error)
    finally:
        os.write(report_fd, f"{step_name}: {reason}".encode())
        os._exit(127)


def default_signals() -> None:
    """Reset ignored signals to their default action and unblock all signals in the calling process.

    A program would inherit ignored signals: the judge ignores SIGINT, and Python ignores SIGPIPE and others.
    """
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def arrange_descriptors(streams: Sequence[int], keep_fds: Sequence[int]) -> None:
    """Make `streams` the descriptors 0, 1, 2 of the calling process; let exec close all others except `keep_fds`."""
    safe = [os.dup(stream) for stream in streams]
    for number, stream in enumerate(safe):
        os.dup2(stream, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            with suppress(OSError):  # the descriptor that listed the folder is closed by now
                os.set_inheritable(int(name), int(name) in keep_fds)


def die_with_parent() -> None:
    """Let the kernel kill the calling process when its parent dies, and set its umask to 077.

    A change of user or capabilities resets this setting, so that this step must follow them.

    Raises:
        OSError: if the kernel refuses.
    """
    syscalls.checked("prctl(PR_SET_PDEATHSIG)", syscalls.LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    os.umask(0o077)


def set_limits(limits: Mapping[int, int]) -> None:
    """Set the soft and hard resource limits of the calling process, never above its present hard limits.

    `limits` maps `resource.RLIMIT_...` to the value. Raises OSError if the kernel refuses.
    """
    for kind, value in limits.items():
        _, hard = resource.getrlimit(kind)
        ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (ceiling, ceiling))


class ProgramImage:
    """The path, arguments and environment of a program, as C arrays for execve.

    Made before the fork, because a child under a memory limit may be unable to allocate them.
    """

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
        arguments = [os.fsencode(word) for word in command]
        variables = [os.fsencode(f"{name}={value}") for name, value in environment.items()]
        self._path = arguments[0]
        self._arguments = (ctypes.c_char_p * (len(arguments) + 1))(*arguments, None)
        self._environment = (ctypes.c_char_p * (len(variables) + 1))(*variables, None)

    def execute(self) -> None:
        """Execute the program in the calling process. Raises OSError that names the program if that fails."""
        syscalls.LIBC.execve(self._path, self._arguments, self._environment)
        number = ctypes.get_errno()
        raise OSError(number, f"{self._path.decode(errors='replace')}: {os.strerror(number)}")


@contextmanager
def null_device() -> Iterator[int]:
    """Yield an open descriptor of /dev/null for reading and writing."""
    descriptor = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
