"""Numbered steps from one schema to the next. Each step holds its own DDL, which never changes once it has landed.

A new database runs every step, so that it is made in the same way as an old one becomes new. A committed database of
every version is migrated in tests/log.
"""

from collections.abc import Callable

from sqlalchemy import Connection, inspect, text

from kernelsmith.log.migrations import v1_first, v2_clock, v3_guards, v4_asks_and_trials
from kernelsmith.log.schema import VERSION, checked_version

Step = Callable[[Connection], None]

STEPS: tuple[Step, ...] = (v1_first.up, v2_clock.up, v3_guards.up, v4_asks_and_trials.up)
"""Step i leads from version i to version i + 1; the last one leads to schema.VERSION."""


def migrate(connection: Connection, *, where: str) -> None:
    """Bring a database to this program's schema. Foreign keys must be off: a step may replace a table.

    Raises:
        UsageError: it was written by a newer kernelsmith, or is somebody else's.
    """
    for step in STEPS[version_of(connection, where=where) :]:
        step(connection)
    connection.execute(text("DELETE FROM schema"))
    connection.execute(text(f"INSERT INTO schema (version) VALUES ({VERSION})"))


def version_of(connection: Connection, *, where: str) -> int:
    """Return a database's schema version; 0 for an empty one.

    Raises:
        UsageError: it was written by a newer kernelsmith, or is somebody else's.
    """
    names = inspect(connection).get_table_names()
    return checked_version(
        names, lambda: int(connection.execute(text("SELECT version FROM schema")).scalar_one()), where=where
    )
