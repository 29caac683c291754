"""Open the database of an attempt log for writing, so that a committed transaction survives a killed process and a
power failure.

For this, SQLite runs in WAL mode with synchronous=FULL.
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
"""Longest wait for the transaction of another process, in milliseconds: two runs may write to one database."""


def open_for_writing(path: Path, *, create: bool) -> Engine:
    """Return an SQLAlchemy engine, which opens connections to the attempt log at `path`, after migrating the log to
    this program's table layout (schema). If the file is missing and `create` is true, create it. Raises UsageError if
    it is missing and `create` is false, is not an attempt log, or has a newer schema; LogError if it cannot be read or
    written.
    """
    database.prepare(path, create=create)
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    with database.closed_on_failure(engine.dispose), translated_errors(str(path)):
        if _version(engine, path) < VERSION:
            _migrate(engine, path)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Return a context manager that yields a connection of `engine` in one transaction: committed at the end of the
    block, rolled back if the block raises. If another process writes, it waits up to 30 s. A failure of the database
    raises an exception of SQLAlchemy or SQLite; the caller uses `translated_errors` to turn it into a one-line message.
    """
    with engine.connect().execution_options(begin="IMMEDIATE") as connection, connection.begin():
        yield connection


@contextmanager
def translated_errors(where: str) -> Iterator[None]:
    """Return a context manager, which yields nothing, that turns an error of SQLAlchemy or SQLite in its block into one
    of kernelsmith: UsageError if the file is not a database, else LogError. The message is one line that begins with
    `where`, the path of the database.
    """
    with database.translated_errors(where):
        try:
            yield
        except DatabaseError as error:
            # SQLAlchemy adds the statement, its parameters and a link to the driver's message: too long for one line.
            raise error.orig or error from error


def _version(engine: Engine, path: Path) -> int:
    with engine.connect() as connection:
        return version_of(connection, where=str(path))


def _migrate(engine: Engine, path: Path) -> None:
    """Run the migration steps that the database lacks, in one transaction; all are undone if one fails. Foreign keys
    are not enforced meanwhile, because a step may replace a table to which others refer. `path`, the database's file,
    begins error messages. Raises UsageError if it is not an attempt log, or if a newer kernelsmith wrote it.
    """
    with engine.connect() as connection:
        connection.connection.execute("PRAGMA foreign_keys=OFF")
        with connection.execution_options(begin="IMMEDIATE").begin():
            migrate(connection, where=str(path))
        connection.connection.execute("PRAGMA foreign_keys=ON")


def _set_pragmas(connection: Any, _: object) -> None:
    # None keeps the driver from beginning transactions, because _begin does.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")
