"""Migrate an attempt log from schema version 1 to 2, which adds to each attempt the utilization (share of the peak) at
the clock rate sampled during timing.
"""

from sqlalchemy import Connection, text


def up(connection: Connection) -> None:
    """Add the column `utilization_at_clock`, empty for existing rows, to the table of attempts. `connection` is in a
    transaction, which the caller commits. Raises SQLAlchemy's errors if the database fails.
    """
    connection.execute(text("ALTER TABLE attempts ADD COLUMN utilization_at_clock FLOAT"))
