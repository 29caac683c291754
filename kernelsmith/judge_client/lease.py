"""Let one process at a time measure on a device of this machine, by a lease of the device; the other processes wait.

The lease is a lock on a file in the temporary directory, which the operating system's kernel releases when its holder
ends in any way. The file holds the process id of the holder and what the holder works on, for the message of those that
wait. The lease does not cover containers with a /tmp of their own, users with another TMPDIR, and programs other than
kernelsmith; on a GPU the judge refuses to measure while such a program computes.
"""

import fcntl
import os
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kernelsmith.core.caps import NAME, cut
from kernelsmith.core.kinds import SCRIPTED_DEVICE
from kernelsmith.errors import HarnessError
from kernelsmith.judge_client import gpu

READABLE = 0o644
"""Mode of a lock file: every user may open the file for reading, which is enough to wait for its lock."""
POLL_S = 0.1
"""Seconds between two looks at whether a wait was given up."""
HOLDER_BYTES = 200
"""The most bytes that are read of a lock file."""


@dataclass(frozen=True, slots=True)
class LeaseWait:
    """Settings of a process that waits for a device that another process holds; `leased` uses them. `purpose` is a text
    that other processes show about this one. `on_wait(holder: str)` is called once when a wait begins, and
    `is_given_up() -> bool` is called about every 0.1 seconds and returns True to end the wait.
    """

    purpose: str = ""
    """Work of this process, such as `run night`, shown to other processes while they wait for it; may be empty."""
    on_wait: Callable[[str], None] = lambda holder: None
    """Called once when a wait begins, with the holder in words: `run night, pid 4711`."""
    is_given_up: Callable[[], bool] = lambda: False
    """Returns True once the wait shall end without the lease."""


@contextmanager
def leased(device: str, wait: LeaseWait = LeaseWait()) -> Iterator[None]:
    """Return a context manager that holds the lease of `device` (`cpu`, `cuda:0`), the right to measure on it: it waits
    until no other process holds the lease, and releases it at the end of the block. `wait` holds the text and the
    functions for the wait. Raises HarnessError if the lock file cannot be opened or the wait was given up.

    A scripted device needs no lease.
    """
    if device.startswith(SCRIPTED_DEVICE):
        yield
        return
    path = _lock_file(device)
    try:
        descriptor = _locked(path, wait)
    except OSError as error:
        raise HarnessError(f"{path}: {error.strerror}: the device cannot be leased; remove the file") from error
    try:
        _write_holder(path, descriptor, f"{os.getpid()} {cut(wait.purpose, NAME)}")
        yield
    finally:
        _write_holder(path, descriptor, "")
        os.close(descriptor)


def _locked(path: Path, wait: LeaseWait) -> int:
    """Wait for the lock of the lock file `path` of a device and return the file's descriptor, which the caller closes
    to release the lock. `wait` holds the functions for the wait. Raises HarnessError if the wait is given up, OSError
    if the file cannot be opened.

    The file may have been removed while this process waited; other processes then wait for the lock of a new file, and
    this process does so too.
    """
    while True:
        descriptor = _lock(_opened(path), wait)
        if _is_still(path, descriptor):
            return descriptor
        os.close(descriptor)


def _lock(descriptor: int, wait: LeaseWait) -> int:
    """Wait until this process holds the lock (flock) of the file open as `descriptor`, and return the descriptor. If
    another process holds the lock, call `wait.on_wait` once. Raises HarnessError if `wait.is_given_up` ends the wait,
    OSError if locking fails; the descriptor is closed in both cases.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        wait.on_wait(_holder(descriptor))
        _LockRequest(descriptor).wait(wait.is_given_up)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class _LockRequest:
    """A request for the lock of the file open as `descriptor`. The system call `flock` blocks and cannot be
    interrupted, so an extra thread runs it, and the caller of `wait` can give up.

    The thread queues for the lock: a process that only tried now and then would never get the lock from one that takes
    it again after a moment.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._guard = threading.Lock()
        self._is_abandoned = self._has_returned = False
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._acquire, name="lease", daemon=True)

    def wait(self, is_given_up: Callable[[], bool]) -> None:
        """Start the thread that requests the lock, and return None once this process holds the lock. The function
        `is_given_up() -> bool` is called about every 0.1 seconds: HarnessError is raised if it returns True before the
        lock is held. Raises OSError if locking fails; after HarnessError, the thread closes the file descriptor as soon
        as the system call `flock` returns.
        """
        self._thread.start()
        while self._thread.is_alive():
            self._thread.join(POLL_S)
            if is_given_up() and self._abandon():
                raise HarnessError("the wait for the device was given up")
        if self._error:
            raise self._error

    def _acquire(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except OSError as error:
            self._error = error
        with self._guard:
            self._has_returned = True
            if self._is_abandoned or self._error:
                os.close(self._descriptor)

    def _abandon(self) -> bool:
        """Give up the wait and return True: the thread that waits in the system call `flock` will close the file
        descriptor when the call returns. Return False, and change nothing, if the call has returned already.
        """
        with self._guard:
            self._is_abandoned = not self._has_returned
            return self._is_abandoned


def _holder(descriptor: int) -> str:
    """Return which process holds the lock of the file open as `descriptor`, in words for a message, read from the file:
    `run night, pid 4711`, or `another process` if the file names no living process or cannot be read.
    """
    try:
        text = os.pread(descriptor, HOLDER_BYTES, 0).decode(errors="replace")
    except OSError:
        return "another process"
    pid, _, purpose = text.partition(" ")
    if not (pid.isdecimal() and _is_process(pid)):
        return "another process"
    return f"{purpose}, pid {pid}" if purpose else f"pid {pid}"


def _is_process(pid: str) -> bool:
    """Return whether a process with the id `pid`, a text of digits, exists now, by its folder in /proc. The check is
    needed because a killed holder leaves its id in the lock file.
    """
    return Path("/proc", pid).exists()


def _write_holder(path: Path, locked: int, text: str) -> None:
    """Write `text` (process id and purpose of the holder; empty to delete them) into the lock file at `path`. `locked`
    is the descriptor that holds its lock; nothing is written if it is another file. Return nothing and raise nothing:
    other processes only show the text, so a failure is ignored.

    Nothing is written to a file of another user, or to one with several names: any user can put a second name of
    another file into /tmp.
    """
    with suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            is_ours = found.st_uid == os.geteuid() and found.st_nlink == 1
            if is_ours and os.path.samestat(found, os.fstat(locked)):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, text.encode(), 0)
        finally:
            os.close(descriptor)


def _opened(path: Path) -> int:
    # For reading, and without O_CREAT: in /tmp no user may open another user's file for writing or with O_CREAT.
    # O_NONBLOCK, because the opening of a named pipe would block.
    safely = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    while True:
        try:
            return os.open(path, safely)
        except FileNotFoundError:
            _make(path)


def _make(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, READABLE)
    except FileExistsError:
        return
    os.fchmod(descriptor, READABLE)  # whatever the umask
    os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    """Return whether `path` still names the lock file that is open as `descriptor`; False means that the file was
    removed or replaced, so that its lock is worthless. Raises OSError, after closing the descriptor, if the open file
    is not a regular file.
    """
    opened = os.fstat(descriptor)
    if not stat.S_ISREG(opened.st_mode):
        os.close(descriptor)
        raise OSError(0, "not a file")
    try:
        return os.path.samestat(os.lstat(path), opened)
    except FileNotFoundError:
        return False


def _lock_file(device: str) -> Path:
    """Return the path in the temporary directory of the lock file of `device` (`cpu`, `cuda:0`). The name contains the
    device's name, but for a GPU its UUID, because the GPU's number depends on CUDA_VISIBLE_DEVICES and could mean
    another GPU in another process.
    """
    _, _, ordinal = device.partition(":")
    name = (ordinal and gpu.uuid(int(ordinal))) or device.replace(":", "")
    return Path(tempfile.gettempdir()) / f"kernelsmith-{name}.lock"
