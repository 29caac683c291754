"""Make a folder in the temporary directory, which the next start of a harness removes if this process is killed before
it can do so.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from kernelsmith.core import contract


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Return a context manager that makes an empty folder in the temporary directory, yields its path, and deletes it
    with its content at the end of the block. If this process is killed, the next harness that starts deletes it. Raises
    OSError if the folder cannot be made.

    This process holds a lock on the folder during the block. harness/sandbox/temporary.py removes folders without a
    lock when a harness starts; it explains the names and the locks.
    """
    prefix = f"{contract.temporary_prefix()}{os.getpid()}-"
    with TemporaryDirectory(prefix=prefix) as name:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with suppress(OSError):  # a file system without locks on folders: nothing is swept there
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(descriptor)
