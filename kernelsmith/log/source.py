"""What the reader needs of a database: transactions that answer SQL. Each kind of database is one class.

A statement is SQL that every supported database understands; `:name` stands for a parameter. sqlite_file.py has the
class for SQLite.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

Row = Mapping[str, Any]
"""A row's values by column name, as the database stores them: JSON and times are text, flags are 0 or 1."""


class Transaction(Protocol):
    """A read transaction: all its queries see the database at one moment."""

    def rows(self, statement: str, **parameters: object) -> Sequence[Row]:
        """Return the rows of a query as mappings."""
        ...

    def tuples(self, statement: str, **parameters: object) -> Sequence[tuple[Any, ...]]:
        """Return the rows of a query as tuples; for many rows of few columns this is several times as fast."""
        ...


class Source(Protocol):
    """A database that is open for reading."""

    @property
    def path(self) -> Path:
        """The file that the user named; a run's folder lies beside it."""
        ...

    def reading(self) -> AbstractContextManager[Transaction]:
        """Hold a read transaction.

        Raises:
            UsageError: the file is not a database.
            LogError: the database cannot be read.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
