"""Define the interface between the reader of an attempt log and a database: read transactions in which SQL queries run.

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
    """A read transaction on the database of an attempt log, in which SQL queries run. All queries in it see the
    database as it was at one moment, whatever other processes write meanwhile. Source.reading makes it.
    """

    def rows(self, statement: str, **parameters: object) -> Sequence[Row]:
        """Run the SQL query `statement` and return its rows as a sequence of mappings from column name to value.
        `parameters` are the values for the placeholders `:name` in the query. A failed query raises the database's own
        error, which Source.reading turns into LogError.
        """
        ...

    def tuples(self, statement: str, **parameters: object) -> Sequence[tuple[Any, ...]]:
        """Run the SQL query `statement` and return its rows as a sequence of tuples, in the order of the columns; for
        many rows of few columns this is several times as fast as `rows`. `parameters` are the values for the
        placeholders `:name` in the query. A failed query raises the database's own error, which Source.reading turns
        into LogError.
        """
        ...


class Source(Protocol):
    """A database that holds an attempt log and is open for reading. It gives its path and read transactions, and can be
    closed. `open_for_reading` makes it; a Reader uses it.
    """

    @property
    def path(self) -> Path:
        """Return the path of the database file, as the user named it. The folders of the runs lie next to the file."""
        ...

    def reading(self) -> AbstractContextManager[Transaction]:
        """Return a context manager that yields a read transaction, which ends with the block. The context manager
        raises UsageError if the file is not a database, LogError if the database cannot be read or a query in the block
        fails.
        """
        ...

    def close(self) -> None:
        """Close the connections to the database. The source cannot be used afterwards."""
        ...
