"""One process at a time works on a run: a lock that the kernel releases however its holder ends."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernelsmith.errors import LogError, UsageError

PATIENCE_S = 0.5
"""A reader that asks for the status holds the lock for a moment."""


@contextmanager
def held(path: Path, *, run_name: str) -> Iterator[None]:
    """Hold a run's lock.

    Raises:
        UsageError: another process works on the run.
        LogError: the lock file cannot be written.
    """
    descriptor = _open(path)
    try:
        if not _try(descriptor, fcntl.LOCK_EX, patience_s=PATIENCE_S):
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "another process"
            raise UsageError(f"run {run_name}: process {holder} works on it; wait for it to end, or stop it")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether some process holds the lock now."""
    if not path.exists():
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _try(descriptor, fcntl.LOCK_SH, patience_s=0.0)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise LogError(f"{path}: {error.strerror}: a run needs its lock file") from error


def _try(descriptor: int, kind: int, *, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        else:
            return True
