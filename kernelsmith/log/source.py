"""The interface between the reader of an attempt log and a database: read transactions in which SQL queries run.

A query is SQL that every supported database understands; `:name` is the placeholder of a parameter. sqlite_file.py
implements the interface for SQLite.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

Row = Mapping[str, Any]
"""Values of a row by column name, as the database stores them: JSON and times are texts, a Boolean is 0 or 1."""


class Transaction(Protocol):
    """A read transaction: all queries in it see the same state of the database, whatever other processes write."""

    def rows(self, statement: str, **parameters: object) -> Sequence[Row]:
        """Return the rows of an SQL query as mappings from column name to value. `parameters` are the values of
        the placeholders `:name`.
        """
        ...

    def tuples(self, statement: str, **parameters: object) -> Sequence[tuple[Any, ...]]:
        """Return the rows of an SQL query as tuples of values, in the order of the columns. For many rows of few
        columns, `tuples` is several times as fast as `rows`.
        """
        ...


class Source(Protocol):
    """A database that holds an attempt log and is open for reading."""

    @property
    def path(self) -> Path:
        """Return the path of the database file, as the user named it. The folders of the runs lie next to the file."""
        ...

    def reading(self) -> AbstractContextManager[Transaction]:
        """Return a context manager that yields a read transaction. Raises UsageError if the file is not a database,
        LogError if a query fails.
        """
        ...

    def close(self) -> None:
        """Close the connections to the database. The source cannot be used afterwards."""
        ...
