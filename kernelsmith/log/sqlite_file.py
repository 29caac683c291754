"""A SQLite file that is read through the standard library: nothing is written, and no writer is waited for.

The writer goes through SQLAlchemy (engine.py), whose import takes half as long as a whole reading command.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from kernelsmith.log.database import closed_on_failure, faults
from kernelsmith.log.schema import checked_version
from kernelsmith.log.source import Row, Transaction

TABLE_NAMES = "SELECT name FROM sqlite_master WHERE type = 'table'"


@dataclass(frozen=True, slots=True)
class SQLiteFile:
    """A SQLite file that is open for reading. It implements source.Source."""

    path: Path
    """The file that the user named."""
    file: Path
    """The file that is read: the same, or a private copy."""
    is_immutable: bool = False
    """True where no process can write to the file, nor to the WAL file that SQLite keeps beside a database."""
    folder: "TemporaryDirectory[str] | None" = None
    """Holds the private copy, and is removed with it."""
    _idle: list[sqlite3.Connection] = field(default_factory=list)
    """Connections that no transaction uses at present."""

    def close(self) -> None:
        """Close the connections, and remove the private copy."""
        while self._idle:
            self._idle.pop().close()
        if self.folder:
            self.folder.cleanup()

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Hold a read transaction. Raises UsageError, LogError."""
        with faults(str(self.path)):
            connection = self._connection()
            with closed_on_failure(connection.close):
                connection.execute("BEGIN")
                yield SQLiteTransaction(connection)
                connection.execute("ROLLBACK")
            self._idle.append(connection)

    def version(self) -> int:
        """Return the schema version; 0 for an empty file.

        Raises:
            UsageError: the file is not a database, a newer kernelsmith wrote it, or another program.
            LogError: the database cannot be read.
        """
        with self.reading() as transaction:
            names = [name for (name,) in transaction.tuples(TABLE_NAMES)]
            return checked_version(
                names, lambda: int(transaction.tuples("SELECT version FROM schema")[0][0]), where=str(self.path)
            )

    def copy_to(self, target: Path) -> None:
        """Write the database as it is at present into a new file. Raises UsageError, LogError."""
        with faults(str(self.path)), closing(self._connection()) as source, closing(sqlite3.connect(target)) as copy:
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
    """A read transaction on a SQLite file. It implements source.Transaction."""

    _connection: sqlite3.Connection

    def rows(self, statement: str, **parameters: object) -> list[Row]:
        """Return the rows of a query as mappings."""
        cursor = self._connection.execute(statement, parameters)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, values, strict=True)) for values in cursor]

    def tuples(self, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query as tuples."""
        return self._connection.execute(statement, parameters).fetchall()


def as_it_lies(path: Path) -> SQLiteFile:
    """Return the file, opened where it lies.

    SQLite keeps a WAL file beside a database that it reads. Where there is none and the folder cannot be written, no
    process writes to the database either, and it is read as an immutable file.
    """
    return SQLiteFile(path, path, is_immutable=not beside(path, "-wal").exists() and not _is_writable(path))


def lacks_wal_index(path: Path) -> bool:
    """Return whether SQLite cannot read the WAL file where it lies: its index is missing and cannot be written."""
    return beside(path, "-wal").exists() and not beside(path, "-shm").exists() and not _is_writable(path)


def beside(path: Path, suffix: str) -> Path:
    """Return the path of the file that SQLite keeps beside a database: `-wal`, or `-shm`, its index."""
    database = path.resolve()
    return database.with_name(f"{database.name}{suffix}")


def _is_writable(path: Path) -> bool:
    """Return whether this process may make files beside the database."""
    return os.access(path.resolve().parent, os.W_OK)
