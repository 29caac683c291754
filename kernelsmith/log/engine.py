"""Open a database for writing, through SQLAlchemy, so that what is committed stays committed.

A writer runs SQLite in WAL mode with synchronous=FULL: a committed attempt survives a killed process and a power cut.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError

from kernelsmith.log import database
from kernelsmith.log.migrations import migrate, version_of
from kernelsmith.log.schema import VERSION

BUSY_TIMEOUT_MS = 30_000
"""Two runs may write to one database; each waits for the other's commit."""


def open_for_writing(path: Path, *, create: bool) -> Engine:
    """Open a database, make it where it is missing and `create` is true, and bring it to this program's schema.

    Raises:
        UsageError: there is none, it is not an attempt log, or a newer one.
        LogError: it cannot be read or written.
    """
    database.prepare(path, create=create)
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    with database.closed_on_failure(engine.dispose), faults(str(path)):
        if _version(engine, path) < VERSION:
            _migrate(engine, path)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Hold one transaction that takes the write lock at once, so that two writers wait instead of failing."""
    with engine.connect().execution_options(begin="IMMEDIATE") as connection, connection.begin():
        yield connection


@contextmanager
def faults(where: str) -> Iterator[None]:
    """Turn a database's error into one line. Raises UsageError, LogError: see database.faults."""
    with database.faults(where):
        try:
            yield
        except DatabaseError as error:
            # The driver's own error: SQLAlchemy's holds the statement, its parameters and a link as well.
            raise error.orig or error from error


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


def _set_up(connection: Any, _: object) -> None:
    # SQLAlchemy, not the driver, begins transactions: see _begin.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")
