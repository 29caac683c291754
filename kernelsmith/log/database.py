"""Open a database so that what is committed stays committed, and say in one line what is wrong with it if it fails.

A writer runs SQLite in WAL mode with synchronous=FULL: a committed attempt survives a killed process and a power cut.
A reader opens the file read-only: it writes nothing, not even a migration, and never waits for a writer.
"""

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError

from kernelsmith.errors import LogError, UsageError
from kernelsmith.log.migrations import VERSION, migrate, version_of

BUSY_TIMEOUT_MS = 30_000
"""Two runs may write to one database; each waits for the other's commit."""
LARGEST_COPY_BYTES = 256 << 20
"""An older database up to this size is read through a migrated copy."""
SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Database:
    """An open database of this program's schema."""

    engine: Engine
    path: Path
    copy: "tempfile.TemporaryDirectory[str] | None" = None
    """Holds the copy that the engine reads, where the database cannot be read as it lies."""

    def close(self) -> None:
        """Give the connections back, and remove the copy."""
        self.engine.dispose()
        if self.copy:
            self.copy.cleanup()


def open_for_writing(url_or_path: str | Path, *, create: bool) -> Database:
    """Open a database, make it where it is missing and `create` is true, and bring it to this program's schema.

    Raises:
        UsageError: there is none, it is not an attempt log, or a newer one, or the URL names no SQLite file.
        LogError: it cannot be read or written.
    """
    path = file_of(url_or_path)
    _prepare(path, create=create)
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000},
        json_deserializer=_parsed,
    )
    event.listen(engine, "connect", _set_up_writer)
    event.listen(engine, "begin", _begin)
    with _closed_on_failure(engine.dispose), faults(str(path)):
        if _version(engine, path) < VERSION:
            _migrate(engine, path)
    return Database(engine, path)


def open_for_reading(url_or_path: str | Path) -> Database:
    """Open an existing database read-only.

    A private copy is read where the database is of an older schema, or where a WAL file lies beside it in a folder that
    cannot be written.

    Raises:
        UsageError: there is none, it is not an attempt log, a newer one, or an older one of more than 256 MB.
        LogError: it cannot be read.
    """
    path = file_of(url_or_path)
    _prepare(path, create=False)
    if _lacks_wal_index(path):
        return _open_copy(path, _copy_files)
    engine = _reading_engine(path)
    with _closed_on_failure(engine.dispose), faults(str(path)):
        version = _version(engine, path)
    if version == VERSION:
        return Database(engine, path)
    engine.dispose()
    _refuse_to_copy(path, version)
    return _open_copy(path, _backup)


def file_of(url_or_path: str | Path) -> Path:
    """Return the SQLite file that a path or an SQLAlchemy URL names.

    Raises:
        UsageError: it is the URL of another kind of database.
    """
    text = str(url_or_path)
    if "://" in text and not text.startswith(SQLITE):
        raise UsageError(f"--db {text}: attempt logs are SQLite files; give a path, or {SQLITE}PATH")
    return Path(text.removeprefix(SQLITE))


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Hold one transaction that takes the write lock at once, so that two writers wait instead of failing."""
    with engine.connect().execution_options(begin="IMMEDIATE") as connection, connection.begin():
        yield connection


@contextmanager
def faults(where: str) -> Iterator[None]:
    """Turn a database's error into one line.

    Raises:
        UsageError: not a database.
        LogError: anything else; what was committed stays.
    """
    try:
        yield
    except (DatabaseError, sqlite3.Error) as error:
        reason = str(getattr(error, "orig", error))
        if "not a database" in reason:
            raise UsageError(f"{where}: not a database; give another path with --db") from error
        remedy = _REMEDIES.get(reason, "")
        raise LogError(f"{where}: {reason}{remedy}; what was written before is kept") from error


@contextmanager
def _closed_on_failure(close: Callable[[], None]) -> Iterator[None]:
    with ExitStack() as stack:
        stack.callback(close)
        yield
        stack.pop_all()


_REMEDIES = {
    "database or disk is full": ": free some space",
    "attempt to write a readonly database": ": make it writable, or give another one with --db",
    "database is locked": ": another process holds it",
}


def _prepare(path: Path, *, create: bool) -> None:
    if path.is_dir():
        raise UsageError(f"{path}: a folder; --db takes a database file")
    if path.exists():
        return
    if not create:
        raise UsageError(f"{path}: no attempt log here; `kernelsmith run TASK` makes one, --db names another")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LogError(f"{path.parent}: {error.strerror}: no place for the attempt log; give one with --db") from error


def _version(engine: Engine, path: Path) -> int:
    with engine.connect() as connection:
        return version_of(connection, where=str(path))


def _migrate(engine: Engine, path: Path) -> None:
    """Run the steps that are missing in one transaction, without foreign keys: a step may replace a table."""
    with engine.connect() as connection:
        connection.connection.execute("PRAGMA foreign_keys=OFF")
        with connection.execution_options(begin="IMMEDIATE").begin():
            migrate(connection, where=str(path))
        connection.connection.execute("PRAGMA foreign_keys=ON")


def _reading_engine(path: Path) -> Engine:
    """Return an engine on the file as it is, read-only.

    SQLite keeps a WAL file beside a database that it reads. Where there is none and the folder cannot be written, no
    process writes to the database either, and it is read as an immutable file.
    """
    is_immutable = not _beside(path, "-wal").exists() and not _is_writable(path)
    uri = f"file:{quote(str(path.resolve()))}?mode=ro{'&immutable=1' if is_immutable else ''}"
    engine = create_engine(
        SQLITE,
        creator=lambda: sqlite3.connect(uri, uri=True, check_same_thread=False),
        json_deserializer=_parsed,
    )
    event.listen(engine, "connect", _set_up_reader)
    event.listen(engine, "begin", _begin)
    return engine


def _lacks_wal_index(path: Path) -> bool:
    """Return whether SQLite cannot read the WAL file where it lies: its index is missing and cannot be written."""
    return _beside(path, "-wal").exists() and not _beside(path, "-shm").exists() and not _is_writable(path)


def _beside(path: Path, suffix: str) -> Path:
    database = path.resolve()
    return database.with_name(f"{database.name}{suffix}")


def _is_writable(path: Path) -> bool:
    """Return whether this process may make files beside the database."""
    return os.access(path.resolve().parent, os.W_OK)


def _refuse_to_copy(path: Path, version: int) -> None:
    if version == 0:
        raise UsageError(f"{path}: empty; `kernelsmith run` writes an attempt log, --db names another one")
    if path.stat().st_size > LARGEST_COPY_BYTES:
        raise UsageError(
            f"{path}: written by an older kernelsmith (schema {version}, this one reads {VERSION}) and too large to be "
            f"converted for one look; convert it once with `kernelsmith migrate --db {path}`"
        )


def _open_copy(path: Path, copy: Callable[[Path, Path], None]) -> Database:
    """Return a private copy of this program's schema, which is removed when it is closed."""
    folder = tempfile.TemporaryDirectory(prefix="kernelsmith-")
    copied = Path(folder.name) / path.name
    with _closed_on_failure(folder.cleanup), faults(str(path)):
        copy(path, copied)
        engine = open_for_writing(copied, create=False).engine
    return Database(engine, path, folder)


def _copy_files(path: Path, target: Path) -> None:
    shutil.copyfile(path, target)
    shutil.copyfile(_beside(path, "-wal"), target.with_name(f"{target.name}-wal"))


def _backup(path: Path, target: Path) -> None:
    engine = _reading_engine(path)
    with engine.connect() as connection, sqlite3.connect(target) as destination:
        source: Any = connection.connection.dbapi_connection
        source.backup(destination)
    destination.close()
    engine.dispose()


def _parsed(text: str) -> Any:
    """Return the value of a JSON column. Most of a long run's are empty lists and tables: they take no parser."""
    empty = _EMPTY.get(text)
    return empty() if empty else json.loads(text)


_EMPTY: Mapping[str, Callable[[], object]] = {"[]": list, "{}": dict}


def _set_up_writer(connection: Any, _: object) -> None:
    # SQLAlchemy, not the driver, begins transactions: see _begin.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def _set_up_reader(connection: Any, _: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA query_only=ON")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")
