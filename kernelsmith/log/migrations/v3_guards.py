"""Version 3: seconds by guard."""

from sqlalchemy import Connection, text


def up(connection: Connection) -> None:
    """Add the column."""
    connection.execute(text("ALTER TABLE attempts ADD COLUMN guards_s JSON"))
