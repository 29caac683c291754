"""Read a SQLite file through Python's `sqlite3`, without writing to the file and without waiting for a writer.

Only writing uses SQLAlchemy (engine.py), because importing it takes half as long as a whole reading command.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kernelsmith.log.database import closed_on_failure, translated_errors
from kernelsmith.log.schema import checked_version
from kernelsmith.log.source import Row, Transaction

TABLE_NAMES = "SELECT name FROM sqlite_master WHERE type = 'table'"


@dataclass(frozen=True, slots=True)
class SQLiteFile:
    """A SQLite file with an attempt log that is open for reading: the file that the user named, or a temporary copy of
    it that only this process uses. Implements Source. `opened_in_place`, `_private_copy` and Store make it.
    """

    path: Path
    """Path of the file that the user named."""
    file: Path
    """Path of the file that is read: the same file, or a private copy."""
    is_immutable: bool = False
    """True if no process can write to the file or to its WAL file, so that SQLite reads it without locks."""
    folder: ExitStack | None = None
    """Closing this stack removes the temporary folder of the private copy; None if there is no copy."""
    _idle: list[sqlite3.Connection] = field(default_factory=list)
    """Open connections that no transaction uses now."""

    def close(self) -> None:
        """Close the connections that no transaction uses now, and delete the temporary copy of the database if there is
        one; return nothing. Transactions must have ended before, because a connection that is in use stays open. The
        object cannot be used afterwards.
        """
        while self._idle:
            self._idle.pop().close()
        if self.folder:
            self.folder.close()

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Return a context manager that yields a read transaction, which ends with the block. The context manager
        raises UsageError if the file is not a database, LogError if the file cannot be read or a query in the block
        fails.
        """
        with translated_errors(str(self.path)):
            connection = self._connection()
            with closed_on_failure(connection.close):
                connection.execute("BEGIN")
                yield SQLiteTransaction(connection)
                connection.execute("ROLLBACK")
            self._idle.append(connection)

    def version(self) -> int:
        """Return the version of the attempt log's schema (table layout), or 0 if the file is empty. Raises UsageError
        if the file is not an attempt log, or a newer kernelsmith wrote it; LogError if it cannot be read.
        """
        with self.reading() as transaction:
            names = [name for (name,) in transaction.tuples(TABLE_NAMES)]
            return checked_version(
                names, lambda: int(transaction.tuples("SELECT version FROM schema")[0][0]), where=str(self.path)
            )

    def copy_to(self, target: Path) -> None:
        """Write the present content of the database, including changes that are still in its WAL file (SQLite's log of
        recent changes), into a new file at the path `target`. Raises UsageError if the source is not a database,
        LogError if it cannot be read or the copy cannot be written.
        """
        with (
            translated_errors(str(self.path)),
            closing(self._connection()) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)

    def _connection(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._connected()

    def _connected(self) -> sqlite3.Connection:
        immutable = "&immutable=1" if self.is_immutable else ""
        uri = f"file:{quote(str(self.file.resolve()))}?mode=ro{immutable}"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA query_only=ON")
        return connection


@dataclass(frozen=True, slots=True)
class SQLiteTransaction:
    """A read transaction on a SQLite file, in which SQL queries run. All queries in it see the file as it was at one
    moment. Implements Transaction. SQLiteFile.reading makes it.
    """

    _connection: sqlite3.Connection

    def rows(self, statement: str, **parameters: object) -> list[Row]:
        """Run the SQL query `statement` and return its rows as a list of dicts from column name to value. `parameters`
        are the values for the placeholders `:name` in the query. Raises sqlite3.Error if the query fails;
        SQLiteFile.reading turns it into LogError.
        """
        cursor = self._connection.execute(statement, parameters)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, values, strict=True)) for values in cursor]

    def tuples(self, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
        """Run the SQL query `statement` and return its rows as a list of tuples, in the order of the columns.
        `parameters` are the values for the placeholders `:name` in the query. Raises sqlite3.Error if the query fails;
        SQLiteFile.reading turns it into LogError.
        """
        return self._connection.execute(statement, parameters).fetchall()


def opened_in_place(path: Path) -> SQLiteFile:
    """Return the existing database at `path` as a SQLiteFile, which reads the file itself and not a copy. Nothing is
    read yet: a file that is not a database raises UsageError at the first transaction.

    SQLite creates a WAL file next to a database that it reads. If there is none and the folder is read-only, SQLite
    could not open the database normally. No process writes to the database then, so it is read as an immutable file.
    """
    return SQLiteFile(path, path, is_immutable=not companion_of(path, "-wal").exists() and not _is_writable(path))


def lacks_wal_index(path: Path) -> bool:
    """Return True if SQLite cannot read the database `path` itself, so that the caller must read a copy: it has a WAL
    file (recent changes), but the index of that file (`-shm`) is missing, and this process may not create the index in
    the folder.
    """
    return companion_of(path, "-wal").exists() and not companion_of(path, "-shm").exists() and not _is_writable(path)


def companion_of(path: Path, suffix: str) -> Path:
    """Return the path of a file that SQLite keeps next to the database `path`: its WAL file (recent changes) if
    `suffix` is `-wal`, or the index of the WAL file if it is `-shm`. The file may be missing. Symbolic links of `path`
    are followed.
    """
    database = path.resolve()
    return database.with_name(f"{database.name}{suffix}")


def _is_writable(path: Path) -> bool:
    """Return True if this process may create files in the folder of the database `path`; False if it may not, or the
    folder is missing.
    """
    return os.access(path.resolve().parent, os.W_OK)
