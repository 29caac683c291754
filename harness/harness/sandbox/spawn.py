"""Starts a child process: fork, then named setup steps in the child. The last step executes a program.

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
    """The sandbox could not be set up on this machine, which is not the candidate's fault. No program was started. The
    message names the guard that failed and the reason.
    """


def start(steps: Sequence[Step]) -> Process:
    """Fork a child that runs `steps` (pairs of a name and a function without arguments) in order, and return its
    Process once the last step has replaced the child by a program or ended it; the caller continues in the parent. If a
    step raises OSError, the child is killed and SandboxError is raised with the step's name and the reason.

    The last step must not return: it executes a program or ends the child.
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
    """Return the read and the write descriptor of a new pipe, through which a forked child writes the name and the
    reason of a failed step to its parent. Raises OSError if no descriptor is free.

    Both have close-on-exec: if the parent reads end of file without a message, the program was executed. Their numbers
    are above 2, because `arrange_descriptors` replaces 0, 1 and 2.
    """
    ends = os.pipe2(os.O_CLOEXEC)
    read_fd, write_fd = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3) for end in ends)
    for end in ends:
        os.close(end)
    return read_fd, write_fd


def _run_steps(steps: Sequence[Step], *, report_fd: int, judge: int) -> NoReturn:
    """Run `steps` (pairs of a name and a function without arguments) in the forked child; never return, because the
    last step executes a program. If a step raises OSError, or the parent (process id `judge`) has died, write the
    step's name and the reason to the pipe with the descriptor `report_fd` and exit with status 127.
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
    """Reset all ignored signals to their default action and unblock all signals in the calling process. Return nothing.
    A program that it executes would otherwise inherit both.

    The judge ignores SIGINT, and Python ignores SIGPIPE and others.
    """
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def arrange_descriptors(streams: Sequence[int], keep_fds: Sequence[int]) -> None:
    """Make the three descriptors in `streams` the standard input, output and error of the calling process. Mark all
    other descriptors to be closed when it executes a program, except those in `keep_fds`. Raises OSError if one of
    `streams` is not open.
    """
    safe = [os.dup(stream) for stream in streams]
    for number, stream in enumerate(safe):
        os.dup2(stream, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            with suppress(OSError):  # the descriptor that listed the folder is closed by now
                os.set_inheritable(int(name), int(name) in keep_fds)


def die_with_parent() -> None:
    """Ask the Linux kernel to kill the calling process when its parent dies (prctl PR_SET_PDEATHSIG), and set its umask
    to 077, so that only its own user can use the files that it makes. Raises OSError if the Linux kernel refuses.

    A change of user or capabilities resets this setting, so that this step must follow them.
    """
    syscalls.checked("prctl(PR_SET_PDEATHSIG)", syscalls.LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    os.umask(0o077)


def set_limits(limits: Mapping[int, int]) -> None:
    """Set the soft and hard resource limits of the calling process. `limits` maps constants `resource.RLIMIT_...` to
    values; a value above the present hard limit is lowered to it. Raises OSError or ValueError if the Linux kernel
    refuses.
    """
    for kind, value in limits.items():
        _, hard = resource.getrlimit(kind)
        ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (ceiling, ceiling))


class ProgramImage:
    """A program that a forked child will execute: path, arguments and environment variables, converted to C arrays
    before the fork, because a child under a memory limit might be unable to allocate them. `execute` takes no
    arguments, so that it can be the last setup step.
    """

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
        arguments = [os.fsencode(word) for word in command]
        variables = [os.fsencode(f"{name}={value}") for name, value in environment.items()]
        self._path = arguments[0]
        self._arguments = (ctypes.c_char_p * (len(arguments) + 1))(*arguments, None)
        self._environment = (ctypes.c_char_p * (len(variables) + 1))(*variables, None)

    def execute(self) -> None:
        """Replace the calling process by the program, with the arguments and environment of this object; return only by
        raising OSError, which names the program, if the program cannot be executed.
        """
        syscalls.LIBC.execve(self._path, self._arguments, self._environment)
        number = ctypes.get_errno()
        raise OSError(number, f"{self._path.decode(errors='replace')}: {os.strerror(number)}")


@contextmanager
def null_device() -> Iterator[int]:
    """Return a context manager that yields a file descriptor of /dev/null, open for reading and writing, and closes it
    at the end of the block. Raises OSError if /dev/null cannot be opened.
    """
    descriptor = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
