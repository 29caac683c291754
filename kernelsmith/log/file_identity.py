"""Notice that a file was deleted or replaced while this process works with it."""

import os
from dataclasses import dataclass
from pathlib import Path

from kernelsmith.errors import LogReplaced


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """The file that a path named at one moment, by the numbers of its file system and inode."""

    path: Path
    device_and_inode: tuple[int, int] | None
    """Numbers of the file system and of the file within it; None if there was no file."""

    @classmethod
    def of(cls, path: Path) -> "FileIdentity":
        """Return the identity of the file that a path names now."""
        return cls(path, _device_and_inode(path))

    def require_unchanged(self) -> None:
        """Raise LogReplaced if the path names another file now, or no file."""
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
