"""Bring a database to the current schema (table layout), by numbered steps that each lead from one schema version to
the next.

A step holds its own DDL, which never changes after its release. A new database runs every step, so that it gets the
same schema as a migrated one. tests/log migrates a stored database of every version.
"""

from collections.abc import Callable

from sqlalchemy import Connection, inspect, text

from kernelsmith.log.migrations import v1_first, v2_clock, v3_guards, v4_asks_and_trials
from kernelsmith.log.schema import VERSION, checked_version

Step = Callable[[Connection], None]

STEPS: tuple[Step, ...] = (v1_first.up, v2_clock.up, v3_guards.up, v4_asks_and_trials.up)
"""Step i leads from version i to version i + 1; the last one leads to schema.VERSION."""


def migrate(connection: Connection, *, where: str) -> None:
    """Run the migration steps that a database lacks and store the new schema version in it. The caller begins and
    commits the transaction on `connection`, with foreign keys switched off, because a step may replace a table.
    `where`, the database's path, begins error messages. Raises UsageError if it is not an attempt log, or a newer
    kernelsmith wrote it.
    """
    for step in STEPS[version_of(connection, where=where) :]:
        step(connection)
    connection.execute(text("DELETE FROM schema"))
    connection.execute(text(f"INSERT INTO schema (version) VALUES ({VERSION})"))


def version_of(connection: Connection, *, where: str) -> int:
    """Return the version of the schema (table layout) of the database that `connection` has open, or 0 if it is empty.
    `where`, the path of the database, begins error messages. Raises UsageError if the database is not an attempt log,
    or a newer kernelsmith wrote it.
    """
    names = inspect(connection).get_table_names()
    return checked_version(
        names, lambda: int(connection.execute(text("SELECT version FROM schema")).scalar_one()), where=where
    )
