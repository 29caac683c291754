"""Let one process at a time work on a run, by a lock on a file. The operating system releases the lock when the process
ends, even if it crashes.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernelsmith.errors import LogError, UsageError

TIMEOUT_S = 0.5
"""Seconds for which `hold_lock` retries, because `is_held` in another process takes the lock for a moment."""


@contextmanager
def hold_lock(path: Path, *, run_name: str) -> Iterator[None]:
    """Return a context manager, which yields nothing, that holds a run's lock during its block: an exclusive lock
    (flock) on the file `path`, which is created if it is missing. `run_name` is the run's name for the message. Raises
    UsageError if another process holds the lock, LogError if the file cannot be opened for writing.
    """
    descriptor = _open(path)
    try:
        if not _try_lock(descriptor, fcntl.LOCK_EX, timeout_s=TIMEOUT_S):
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "another process"
            raise UsageError(f"run {run_name}: process {holder} works on it; wait for it to end, or stop it")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Return True if a process holds the exclusive lock on `path`, the lock file of a run, which means that it works on
    the run. Return False without an error if the file is missing or cannot be opened.
    """
    if not path.exists():
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _try_lock(descriptor, fcntl.LOCK_SH, timeout_s=0.0)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise LogError(f"{path}: {error.strerror}: cannot open the run's lock file for writing") from error


def _try_lock(descriptor: int, kind: int, *, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        else:
            return True
