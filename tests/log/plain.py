"""Query a database with Python's `sqlite3`, without the code that is tested."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DATABASES = Path(__file__).parent / "databases"
COMMITTED = sorted(DATABASES.glob("v*.db"))
"""Paths of small databases, one of every schema version."""
RECORDED = sorted((DATABASES / "recorded").glob("*.db"))
"""Paths of the logs of real runs, of schema version 3."""


def query(path: Path, statement: str, *parameters: object) -> Sequence[Any]:
    """Return the rows of an SQL query on the database at `path`; `parameters` are the values of its placeholders."""
    with plain(path) as connection:
        return connection.execute(statement, parameters).fetchall()


@contextmanager
def plain(path: Path) -> Iterator[sqlite3.Connection]:
    """Return a context manager that opens the database at `path` and commits its changes unless the body raises."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    try:
        yield connection
        connection.commit()
    finally:
        connection.close()
