"""Migrate to schema version 2, which adds the utilization at the sampled clock to attempts."""

from sqlalchemy import Connection, text


def up(connection: Connection) -> None:
    """Add the column `utilization_at_clock` to the table of attempts."""
    connection.execute(text("ALTER TABLE attempts ADD COLUMN utilization_at_clock FLOAT"))
