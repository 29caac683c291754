"""Migrate to schema version 3, which adds the seconds spent in each guard to attempts."""

from sqlalchemy import Connection, text


def up(connection: Connection) -> None:
    """Add the column `guards_s` to the table of attempts."""
    connection.execute(text("ALTER TABLE attempts ADD COLUMN guards_s JSON"))
