"""Open a log for reading: where it lies, or through a private copy that is brought to this program's schema."""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from kernelsmith.errors import UsageError
from kernelsmith.log.database import closed_on_failure, faults, file_of, prepare
from kernelsmith.log.schema import VERSION
from kernelsmith.log.source import Source
from kernelsmith.log.sqlite_file import SQLiteFile, as_it_lies, beside, lacks_wal_index

LARGEST_COPY_BYTES = 256 << 20
"""An older database up to this size is read through a migrated copy."""


def open_for_reading(url_or_path: str | Path) -> Source:
    """Open an existing database read-only.

    A private copy is read where the database is of an older schema, or where a WAL file lies beside it in a folder that
    cannot be written.

    Raises:
        UsageError: there is none, it is not an attempt log, a newer one, or an older one of more than 256 MB.
        LogError: it cannot be read.
    """
    path = file_of(url_or_path)
    prepare(path, create=False)
    source = _private_copy(path, _copy_with_wal) if lacks_wal_index(path) else as_it_lies(path)
    with closed_on_failure(source.close):
        version = source.version()
    return source if version == VERSION else _migrated(source, version)


def _migrated(source: SQLiteFile, version: int) -> SQLiteFile:
    """Close an older log, and return a private copy of this program's schema."""
    # SQLAlchemy, which takes longer to import than most logs to read, is needed for the steps between two schemas only.
    from kernelsmith.log.engine import open_for_writing

    def migrated_copy(path: Path, target: Path) -> None:
        source.copy_to(target)
        open_for_writing(target, create=False).dispose()

    with closing(source):
        _refuse_to_copy(source.path, version)
        return _private_copy(source.path, migrated_copy)


def _refuse_to_copy(path: Path, version: int) -> None:
    if version == 0:
        raise UsageError(f"{path}: empty; `kernelsmith run` writes an attempt log, --db names another one")
    if path.stat().st_size > LARGEST_COPY_BYTES:
        raise UsageError(
            f"{path}: written by an older kernelsmith (schema {version}, this one reads {VERSION}) and too large to be "
            f"converted for one look; convert it once with `kernelsmith migrate --db {path}`"
        )


def _private_copy(path: Path, copy: Callable[[Path, Path], None]) -> SQLiteFile:
    """Return what `copy` writes from `path` to its target in a temporary folder. Closing it removes the folder."""
    folder = tempfile.TemporaryDirectory(prefix="kernelsmith-")
    target = Path(folder.name) / path.name
    with closed_on_failure(folder.cleanup), faults(str(path)):
        copy(path, target)
    return SQLiteFile(path, target, folder=folder)


def _copy_with_wal(path: Path, target: Path) -> None:
    shutil.copyfile(path, target)
    shutil.copyfile(beside(path, "-wal"), beside(target, "-wal"))
