"""Version 2: utilization at the sampled clock."""

from sqlalchemy import Connection, text


def up(connection: Connection) -> None:
    """Add the column."""
    connection.execute(text("ALTER TABLE attempts ADD COLUMN utilization_at_clock FLOAT"))
