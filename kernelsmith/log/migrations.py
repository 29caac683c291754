"""Numbered steps from one schema to the next, each run once, in one transaction with the version it leads to."""

from collections.abc import Callable

from sqlalchemy import Connection, inspect, select, text

from kernelsmith.errors import UsageError
from kernelsmith.log import tables

Step = Callable[[Connection], None]


def _create(connection: Connection) -> None:
    """Everything in tables.py: what later steps add is in it already."""
    tables.metadata.create_all(connection)


def _add_clock(connection: Connection) -> None:
    """Version 2: utilization at the sampled clock."""
    _add_to_attempts(connection, "utilization_at_clock", "FLOAT")


def _add_guards(connection: Connection) -> None:
    """Version 3: seconds by guard."""
    _add_to_attempts(connection, "guards_s", "JSON")


def _add_to_attempts(connection: Connection, name: str, kind: str) -> None:
    if name not in {column["name"] for column in inspect(connection).get_columns("attempts")}:
        connection.execute(text(f"ALTER TABLE attempts ADD COLUMN {name} {kind}"))


STEPS: tuple[Step, ...] = (_create, _add_clock, _add_guards)
"""Step i leads from version i to version i + 1. A committed database of every version is migrated in tests/log."""

VERSION = len(STEPS)


def migrate(connection: Connection, *, where: str) -> None:
    """Bring a database to this program's schema.

    Raises:
        UsageError: it was written by a newer kernelsmith, or is somebody else's.
    """
    for step in STEPS[version_of(connection, where=where) :]:
        step(connection)
    connection.execute(tables.schema.delete())
    connection.execute(tables.schema.insert().values(version=VERSION))


def version_of(connection: Connection, *, where: str) -> int:
    """A database's schema version; 0 for an empty one.

    Raises:
        UsageError: it was written by a newer kernelsmith, or is somebody else's.
    """
    names = set(inspect(connection).get_table_names())
    if not names:
        return 0
    if "schema" not in names or "attempts" not in names:
        raise UsageError(f"{where}: a database, but not an attempt log; give another one with --db")
    version = int(connection.execute(select(tables.schema.c.version)).scalar_one())
    if version > VERSION:
        raise UsageError(
            f"{where}: written by a newer kernelsmith (schema {version}, this one knows {VERSION}); upgrade kernelsmith"
        )
    return version
