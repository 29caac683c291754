"""Read all files of a folder into memory and identify them by a digest; the log keeps task folders and prompt templates
in this form.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kernelsmith.core import caps
from kernelsmith.core.text_file import shown
from kernelsmith.errors import UsageError

IGNORED = "__pycache__"
"""Name of the folders that a snapshot leaves out."""


@dataclass(frozen=True)
class Snapshot:
    """The files of a folder at one moment: a mapping from each file's relative path to its bytes. `snapshot_of` makes
    it from a folder, and the log stores it and returns it.
    """

    files: Mapping[str, bytes]
    """Content by the file's path relative to the folder, with `/` between the parts of a path."""

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 sum over all paths and contents of the files, 64 hexadecimal digits. It identifies the
        snapshot: the log finds stored snapshots by it.
        """
        digest = hashlib.sha256()
        for path in sorted(self.files, key=lambda path: Path(path).parts):
            digest.update(os.fsencode(path) + b"\0" + self.files[path] + b"\0")
        return digest.hexdigest()

    @cached_property
    def fingerprint(self) -> str:
        """Return a second SHA-256 sum of the files, 64 hexadecimal digits, computed over the length and the bytes of
        every path and every content.

        Unlike `digest`, it cannot be equal for files whose bytes are divided differently into paths and contents.
        """
        fingerprint = hashlib.sha256()
        for part in (part for path in sorted(self.files) for part in (path.encode(), self.files[path])):
            fingerprint.update(len(part).to_bytes(8) + part)
        return fingerprint.hexdigest()

    def write(self, folder: Path) -> None:
        """Write every file below `folder`, which is created if it is missing; a file of the same name is overwritten.
        Return nothing. Raises OSError if a file cannot be written.
        """
        for path, content in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)


def snapshot_of(folder: Path) -> Snapshot:
    """Return the snapshot of all files below a folder, except those in `__pycache__` folders. Raises UsageError, which
    names the path, if a file cannot be read, is larger than 32 MiB, or has a name that is not UTF-8 text.
    """
    return Snapshot({_name(path, folder): _content(path) for path in _files(folder)})


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and IGNORED not in path.parts)


def _name(path: Path, folder: Path) -> str:
    name = path.relative_to(folder).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{shown(path)}: the file's name is not UTF-8 text; rename it") from error
    return name


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > caps.FILE_BYTES:
            most = f"{caps.FILE_BYTES >> 20} MiB"
            raise UsageError(f"{shown(path)}: larger than {most}; keep large files out of the folder")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{shown(path)}: {error.strerror}") from error
