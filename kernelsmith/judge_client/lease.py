"""The device lease: one process at a time measures on a device of this machine, whoever's it is; the rest wait.

The kernel releases it when its holder dies, however it dies. Not covered: containers with a /tmp of their own, users
with another TMPDIR, and programs that know nothing of it; on a GPU the judge refuses the company of those.
"""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernelsmith.core.kinds import SCRIPTED_DEVICE
from kernelsmith.errors import HarnessError
from kernelsmith.judge_client import gpu

READABLE = 0o644
"""By everybody: who can open the file can wait for it."""


@contextmanager
def leased(device: str) -> Iterator[None]:
    """Hold the device (`cpu`, `cuda:0`); wait as long as another process holds it. A scripted device needs no lease.

    Raises:
        HarnessError: the lock file cannot be opened.
    """
    if device.startswith(SCRIPTED_DEVICE):
        yield
        return
    path = _lock_file(device)
    try:
        descriptor = _locked(path)
    except OSError as error:
        raise HarnessError(f"{path}: {error.strerror}: the device cannot be leased; remove the file") from error
    try:
        yield
    finally:
        os.close(descriptor)


def _locked(path: Path) -> int:
    """Opened and held; a file that was removed while we waited for it is no longer the one that others wait for."""
    while True:
        descriptor = _opened(path)
        held = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            held = _is_still(path, descriptor)
        finally:
            if not held:
                os.close(descriptor)
        if held:
            return descriptor


def _opened(path: Path) -> int:
    # Only to read, and made anew only where there is none: in /tmp nobody may open another's file to write, or with
    # O_CREAT. O_NONBLOCK: a pipe of this name would be waited for.
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
    held = os.fstat(descriptor)
    if not stat.S_ISREG(held.st_mode):
        raise OSError(0, "not a file")
    try:
        return os.path.samestat(os.lstat(path), held)
    except FileNotFoundError:
        return False


def _lock_file(device: str) -> Path:
    """A GPU is known by its UUID: another CUDA_VISIBLE_DEVICES may give it another number."""
    _, _, ordinal = device.partition(":")
    name = (ordinal and gpu.uuid(int(ordinal))) or device.replace(":", "")
    return Path(tempfile.gettempdir()) / f"kernelsmith-{name}.lock"
