"""Notice that a file was deleted or replaced while this process works with it."""

import os
from dataclasses import dataclass
from pathlib import Path

from kernelsmith.errors import LogReplaced


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """The file that a path named at one moment: the path, and the numbers of the file system and of the inode, which
    identify the file (None if there was no file). `require_unchanged` later compares them with those of the file that
    the path names then.
    """

    path: Path
    device_and_inode: tuple[int, int] | None
    """Numbers of the file system and of the file within it; None if there was no file."""

    @classmethod
    def of(cls, path: Path) -> "FileIdentity":
        """Return the identity of the file that `path` names now, for a later `require_unchanged`. A missing file is
        recorded as such and is no error. Raises OSError if the path cannot be looked up for another reason.
        """
        return cls(path, _device_and_inode(path))

    def require_unchanged(self) -> None:
        """Return nothing if the path still names the file that it named when this object was made. Raises LogReplaced
        if the file was deleted or replaced by another one, because what is written to the old file would be lost.
        """
        present = _device_and_inode(self.path)
        if present != self.device_and_inode:
            change = "deleted" if present is None else "replaced by another file"
            raise LogReplaced(
                f"{self.path}: the attempt log was {change} while the run wrote to it, and what the run had recorded "
                f"is lost; start the run again, and keep the log's folder while a run works"
            )


def _device_and_inode(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
