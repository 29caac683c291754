"""The attempt log: the only state. SQLAlchemy on SQLite by default; insert-only; statuses are derived, not stored."""
