"""The device lease: one process at a time measures on a device of this machine; the rest wait their turn.

The kernel releases it when its holder dies, however it dies.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernelsmith.bench import gpu
from kernelsmith.errors import HarnessError


@contextmanager
def leased(device: str) -> Iterator[None]:
    """Hold the device (`cpu`, `cuda:0`); waits as long as another holds it.

    Raises:
        HarnessError: the lock file cannot be opened.
    """
    path = _lock_file(device)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise HarnessError(f"{path}: {error.strerror}: the device cannot be leased") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lock_file(device: str) -> Path:
    # One file a user: another user's file could not be opened, and sharing one would need a writable folder for all.
    _, _, ordinal = device.partition(":")
    name = (ordinal and gpu.uuid(int(ordinal))) or device.replace(":", "")
    return Path(tempfile.gettempdir()) / f"kernelsmith-{os.getuid()}-{name}.lock"
