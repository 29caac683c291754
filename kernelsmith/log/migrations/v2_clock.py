"""Migrate to schema version 2, which adds to attempts the utilization at the clock rate sampled during timing."""

from sqlalchemy import Connection, text


def up(connection: Connection) -> None:
    """Add the column `utilization_at_clock` to the table of attempts."""
    connection.execute(text("ALTER TABLE attempts ADD COLUMN utilization_at_clock FLOAT"))
