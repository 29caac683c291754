"""Open an attempt log for reading. The file itself is read if possible; otherwise a temporary copy is, which is
migrated to this program's schema (table layout) if the log's schema is older.
"""

import shutil
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from kernelsmith.core.temporary import temporary_folder
from kernelsmith.errors import UsageError
from kernelsmith.log.database import closed_on_failure, file_of, prepare, translated_errors
from kernelsmith.log.schema import VERSION
from kernelsmith.log.source import Source
from kernelsmith.log.sqlite_file import SQLiteFile, companion_of, lacks_wal_index, opened_in_place

LARGEST_COPY_BYTES = 256 << 20
"""Largest database of an older schema, in bytes, that is read through a migrated copy."""


def open_for_reading(url_or_path: str | Path) -> Source:
    """Open the existing attempt log that `url_or_path` (a path or a `sqlite:///` URL) names, and return it as a Source,
    a read-only database. Raises UsageError if the file is missing, is not an attempt log, has a newer schema (table
    layout), or has an older schema and more than 256 MiB; LogError if it cannot be read.

    A private copy is read if the schema is older, or if SQLite cannot read the WAL file in its folder.
    """
    path = file_of(url_or_path)
    prepare(path, create=False)
    source = _private_copy(path, _copy_with_wal) if lacks_wal_index(path) else opened_in_place(path)
    with closed_on_failure(source.close):
        version = source.version()
    return source if version == VERSION else _migrated(source, version)


def _migrated(source: SQLiteFile, version: int) -> SQLiteFile:
    """Close `source`, a database whose schema (table layout) has the older `version`, and return a temporary copy of it
    that is migrated to this program's schema; the original stays unchanged. Raises UsageError if the database is empty
    or larger than 256 MiB, LogError if it cannot be read or copied.
    """
    # Imported only for a migration, because importing SQLAlchemy takes longer than reading most logs.
    from kernelsmith.log.engine import open_for_writing

    def migrated_copy(path: Path, target: Path) -> None:
        source.copy_to(target)
        open_for_writing(target, create=False).dispose()

    with closing(source):
        _check_copyable(source.path, version)
        return _private_copy(source.path, migrated_copy)


def _check_copyable(path: Path, version: int) -> None:
    if version == 0:
        raise UsageError(f"{path}: is empty; `kernelsmith run TASK` creates an attempt log, --db PATH opens another")
    if path.stat().st_size > LARGEST_COPY_BYTES:
        raise UsageError(
            f"{path}: written by an older kernelsmith (schema {version}, this one reads {VERSION}) and too large to "
            f"convert at every reading; convert it once with `kernelsmith migrate --db {path}`"
        )


def _private_copy(path: Path, copy: Callable[[Path, Path], None]) -> SQLiteFile:
    """Return a copy of the database `path`, in a temporary folder of this process, opened for reading; closing the
    object removes the folder. `copy` is a function that receives `path` and the path of the copy and writes the copy.
    Raises LogError if SQLite fails, UsageError if the file is not a database.
    """
    folder = ExitStack()
    target = folder.enter_context(temporary_folder()) / path.name
    with closed_on_failure(folder.close), translated_errors(str(path)):
        copy(path, target)
    return SQLiteFile(path, target, folder=folder)


def _copy_with_wal(path: Path, target: Path) -> None:
    shutil.copyfile(path, target)
    shutil.copyfile(companion_of(path, "-wal"), companion_of(target, "-wal"))
