"""Makes folders in the temporary directory, and removes folders left by processes that were killed before they could
remove them.

A process holds a lock on its folder, which the operating system's kernel releases when the process ends in any way. So
a folder without a lock is left over, whatever process has the same id now. The agent makes its folders in the same way,
in kernelsmith/core/temporary.py.
"""

import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.contract import FACTS

PREFIX: str = FACTS["temporary"]["prefix"]
"""Start of a folder's name. The id of its process and random characters follow: `kernelsmith-4711-x2f_9a0b`."""
NAME = re.compile(rf"{re.escape(PREFIX)}\d+-\w+")
YOUNG_S = 60.0
"""Seconds after its last change during which a folder is kept: its process may be about to lock it."""


@contextmanager
def locked_folder() -> Iterator[Path]:
    """Return a context manager that makes an empty folder in the temporary directory, locks it and yields its path; the
    caller must remove the folder itself. The lock, which is released at the end of the block, shows `sweep` that the
    folder is in use. Raises OSError if the folder cannot be made.

    A file system without locks on folders is accepted: `sweep` leaves folders there, because it cannot lock them.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")).resolve()
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(descriptor)


def sweep() -> None:
    """Remove the folders of kernelsmith in the temporary directory that no process has locked and that did not change
    for 60 s. Return nothing and raise nothing: a folder that this user cannot open or remove stays.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if NAME.fullmatch(folder.name):
            with suppress(OSError, RecursionError):
                _remove_if_left(folder)


def _remove_if_left(folder: Path) -> None:
    """Remove the folder at the path `folder` unless a process has locked it or it changed in the last 60 s. Raises
    OSError if another process holds the lock, or the folder cannot be opened or removed.
    """
    # shutil.rmtree follows no link that another user may have put in the folder's place.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if time.time() - os.fstat(descriptor).st_mtime > YOUNG_S:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
    finally:
        os.close(descriptor)
