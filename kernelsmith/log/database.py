"""Open a database so that what is committed stays committed, and say in one line what is wrong with it if it fails.

SQLite runs in WAL mode with synchronous=FULL: a committed attempt survives a killed process and a power cut.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError

from kernelsmith.errors import LogError, UsageError
from kernelsmith.log.migrations import migrate, version_of

BUSY_TIMEOUT_MS = 30_000
"""Two runs may write to one database; each waits for the other's commit."""


def connect(url_or_path: str | Path, *, create: bool) -> tuple[Engine, Path | None]:
    """An engine on a database of this program's schema, and its file if it is one.

    Raises:
        UsageError: there is none and `create` is false, it is not an attempt log, or a newer one, or no URL.
        LogError: it cannot be read or written.
    """
    text = str(url_or_path)
    if "://" in text and not text.startswith("sqlite:///"):
        engine = _foreign_engine(text)
        with faults(text), engine.begin() as connection:
            migrate(connection, where=text)
        return engine, None
    path = Path(text.removeprefix("sqlite:///"))
    _prepare(path, create=create)
    is_writable = os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))
    engine = _sqlite_engine(path) if is_writable else _read_only_engine(path)
    with faults(str(path)), engine.connect() as connection:
        if version_of(connection, where=str(path)) == 0 and not create:
            raise UsageError(f"{path}: empty; `kernelsmith run` writes an attempt log, --db names another one")
    if is_writable:
        with faults(str(path)), writing(engine) as connection:
            migrate(connection, where=str(path))
    return engine, path


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that takes the write lock at once, so that two writers wait instead of failing."""
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
    except DatabaseError as error:
        reason = str(error.orig)
        if "not a database" in reason:
            raise UsageError(f"{where}: not a database; give another path with --db") from error
        remedy = _REMEDIES.get(reason, "")
        raise LogError(f"{where}: {reason}{remedy}; what was written before is kept") from error


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


def _sqlite_engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _read_only_engine(path: Path) -> Engine:
    """`immutable`: SQLite's own WAL files cannot be made beside a database in a folder that is read-only."""
    uri = f"sqlite:///file:{quote(str(path.resolve()))}?mode=ro&immutable=1&uri=true"
    return create_engine(uri)


def _foreign_engine(url: str) -> Engine:
    try:
        return create_engine(url)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise UsageError(f"--db {url}: not a database URL that works here: {error}") from error


def _set_up(connection: Any, _: object) -> None:
    # SQLAlchemy, not the driver, begins transactions: see _begin.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")
