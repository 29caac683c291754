"""Where a database is, and in one line what is wrong with it when opening, reading or writing it fails."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kernelsmith.errors import LogError, UsageError

SQLITE = "sqlite:///"


def file_of(url_or_path: str | Path) -> Path:
    """Return the SQLite file that a path or an SQLAlchemy URL names.

    Raises:
        UsageError: it is the URL of another kind of database.
    """
    text = str(url_or_path)
    if "://" in text and not text.startswith(SQLITE):
        raise UsageError(f"--db {text}: attempt logs are SQLite files; give a path, or {SQLITE}PATH")
    return Path(text.removeprefix(SQLITE))


def prepare(path: Path, *, create: bool) -> None:
    """Make the folder of a new database where `create` is true.

    Raises:
        UsageError: the path is a folder, or there is no file and `create` is false.
        LogError: the folder cannot be made.
    """
    if path.is_dir():
        raise UsageError(f"{path}: a folder; --db takes a database file")
    if path.exists():
        return
    if not create:
        raise UsageError(f"{path}: no attempt log here; `kernelsmith run TASK` makes one, --db names another")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LogError(f"{path.parent}: {error.strerror}: no place for the attempt log; give one with --db") from error


@contextmanager
def faults(where: str) -> Iterator[None]:
    """Turn an error of SQLite into one line.

    Raises:
        UsageError: the file is not a database.
        LogError: anything else; what was committed stays.
    """
    try:
        yield
    except sqlite3.Error as error:
        reason = str(error)
        if "not a database" in reason:
            raise UsageError(f"{where}: not a database; give another path with --db") from error
        remedy = _REMEDIES.get(reason, "")
        raise LogError(f"{where}: {reason}{remedy}; what was written before is kept") from error


_REMEDIES = {
    "database or disk is full": ": free some space",
    "attempt to write a readonly database": ": make it writable, or give another one with --db",
    "database is locked": ": another process holds it",
}


@contextmanager
def closed_on_failure(close: Callable[[], None]) -> Iterator[None]:
    """Call `close` if the body raises."""
    with ExitStack() as stack:
        stack.callback(close)
        yield
        stack.pop_all()
