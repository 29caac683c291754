"""Migrate an attempt log from schema version 2 to 3, which adds to each attempt the seconds spent in each guard (work
that only protects against cheating).
"""

from sqlalchemy import Connection, text


def up(connection: Connection) -> None:
    """Add the column `guards_s`, empty for existing rows, to the table of attempts. `connection` is in a transaction,
    which the caller commits. Raises SQLAlchemy's errors if the database fails.
    """
    connection.execute(text("ALTER TABLE attempts ADD COLUMN guards_s JSON"))
