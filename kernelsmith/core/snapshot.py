"""The files of a folder at one moment, identified by a digest: what a log keeps of a task and of the templates."""

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


@dataclass(frozen=True)
class Snapshot:
    """Files by their path below the folder, `/` between its parts."""

    files: Mapping[str, bytes]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over every path and content, hex: a changed file is another folder."""
        digest = hashlib.sha256()
        for path in sorted(self.files, key=lambda path: Path(path).parts):
            digest.update(os.fsencode(path) + b"\0" + self.files[path] + b"\0")
        return digest.hexdigest()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the lengths too, hex. Files of other folders cannot be cut so that they give the same one."""
        fingerprint = hashlib.sha256()
        for part in (part for path in sorted(self.files) for part in (path.encode(), self.files[path])):
            fingerprint.update(len(part).to_bytes(8) + part)
        return fingerprint.hexdigest()

    def write(self, folder: Path) -> None:
        """Write every file below a folder. Raises OSError."""
        for path, content in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)


def snapshot_of(folder: Path) -> Snapshot:
    """Read every file below a folder but caches.

    Raises:
        UsageError: a file cannot be read, is larger than 32 MiB, or has a name that is no UTF-8 text.
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
