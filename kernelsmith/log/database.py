"""Locate the SQLite file of an attempt log, and turn errors of the database into one-line messages for the user."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kernelsmith.errors import LogError, UsageError

SQLITE = "sqlite:///"


def file_of(url_or_path: str | Path) -> Path:
    """Return the path of the SQLite file that holds an attempt log. `url_or_path` is that path, or a URL that begins
    with `sqlite:///`. The file may be missing. Raises UsageError if the URL names another kind of database.
    """
    text = str(url_or_path)
    if "://" in text and not text.startswith(SQLITE):
        raise UsageError(f"--db {text}: attempt logs are SQLite files; give a path, or {SQLITE}PATH")
    return Path(text.removeprefix(SQLITE))


def prepare(path: Path, *, create: bool) -> None:
    """Check that an attempt log can be opened at `path`, and return nothing. If the file is missing and `create` is
    true, create the folder that will hold it, but not the file. Raises UsageError if the path is a folder, or if the
    file is missing and `create` is false; LogError if the folder cannot be created.
    """
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; --db takes a database file")
    if path.exists():
        return
    if not create:
        raise UsageError(f"{path}: no attempt log exists; `kernelsmith run TASK` creates one, --db PATH opens another")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LogError(
            f"{path.parent}: {error.strerror}: cannot create the folder of the attempt log; give another path with --db"
        ) from error


@contextmanager
def translated_errors(where: str) -> Iterator[None]:
    """Return a context manager, which yields nothing, that turns an error of SQLite in its block into one of
    kernelsmith: UsageError if the file is not a database, else LogError. The message is one line that begins with
    `where`, the path of the database. What was committed before the error stays in the database.
    """
    try:
        yield
    except sqlite3.Error as error:
        reason = str(error)
        if "not a database" in reason:
            raise UsageError(f"{where}: is not a database; give another path with --db") from error
        remedy = _REMEDIES.get(reason, "")
        raise LogError(f"{where}: {reason}{remedy}; everything that was committed before is kept") from error


_REMEDIES = {
    "database or disk is full": ": free some space",
    "attempt to write a readonly database": ": make the file writable, or give another path with --db",
    "database is locked": ": another process is writing to it",
}


@contextmanager
def closed_on_failure(close: Callable[[], None]) -> Iterator[None]:
    """Return a context manager, which yields nothing, that calls `close` if its block raises, and passes the exception
    on. `close` is a function without arguments that closes a resource opened before the block. If the block succeeds,
    the resource stays open.
    """
    with ExitStack() as stack:
        stack.callback(close)
        yield
        stack.pop_all()
