"""Databases as plain sqlite3 sees them, without the package's own tables."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DATABASES = Path(__file__).parent / "databases"
COMMITTED = sorted(DATABASES.glob("v*.db"))
"""A small database of every schema version."""
RECORDED = sorted((DATABASES / "recorded").glob("*.db"))
"""Logs of real runs, schema 3."""


def query(path: Path, statement: str, *parameters: object) -> Sequence[Any]:
    """Return the rows of a query by plain sqlite3, without the package's own tables."""
    with plain(path) as connection:
        return connection.execute(statement, parameters).fetchall()


@contextmanager
def plain(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database by plain sqlite3; what is done in it is committed at the end."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    try:
        yield connection
        connection.commit()
    finally:
        connection.close()
