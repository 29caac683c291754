"""Write an attempt log. What a method writes is on disk when the method returns.

Store implements core.seams.AttemptLog, RunExchanges implements core.seams.Exchanges.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection, Engine

from kernelsmith.core.attempt import Ask, Attempt, Directive
from kernelsmith.core.run import Event, Provenance, Run, RunConfig
from kernelsmith.core.snapshot import Snapshot
from kernelsmith.core.usage import Exchange
from kernelsmith.errors import UsageError
from kernelsmith.log import engine, lock, rows, tables
from kernelsmith.log.database import file_of
from kernelsmith.log.file_identity import FileIdentity
from kernelsmith.log.inserting import insert_attempt, insert_blob, insert_events, insert_snapshot
from kernelsmith.log.reader import Reader
from kernelsmith.log.sqlite_file import SQLiteFile

INVALID_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


def open_store(url_or_path: str | Path, *, create: bool = True) -> "Store":
    """Open for writing the attempt log that `url_or_path` (a path or a `sqlite:///` URL) names, and return a Store; an
    older log is migrated to this program's schema (table layout). If the file is missing and `create` is true, create
    it. Raises UsageError if it is missing and `create` is false, is not an attempt log, or has a newer schema; LogError
    if it cannot be read or written.
    """
    path = file_of(url_or_path)
    return Store(path, engine.open_for_writing(path, create=create))


class Store(Reader):
    """An attempt log that is open for writing, and for reading with the methods of Reader. `open_store` makes it. What
    a method writes is on disk when it returns; it raises LogError if the data cannot be stored, LogReplaced if the
    log's file was deleted or replaced.

    LogReplaced matters because SQLite goes on writing to a deleted file without an error, and all of the file is lost
    when it is closed.
    """

    def __init__(self, path: Path, database: Engine) -> None:
        super().__init__(SQLiteFile(path, path))
        self._engine = database
        self._file = FileIdentity.of(path)

    def close(self) -> None:
        """Close all connections to the database; the store cannot be used afterwards. The writing connection is closed
        last, because SQLite removes the WAL file (recent changes) only when the last connection can write.
        """
        super().close()
        self._engine.dispose()

    def __enter__(self) -> "Store":
        return self

    def create_run(
        self, config: RunConfig, *, name: str | None, task: Snapshot, provenance: Provenance | None = None
    ) -> Run:
        """Insert a new run with the settings `config` and the files of its task (`task`) into the log, and return the
        run. If `name` is None, a name is made from the task's name. `provenance` holds the versions that produce its
        figures, None if unknown. Raises UsageError if another run has the name or it is not valid, LogError if writing
        fails.
        """
        name = self.free_name(Path(config.task).name) if name is None else name
        self._check_name(name)
        run = Run(0, name, config, task.digest, datetime.now(UTC), str(uuid4()), provenance or Provenance())
        with self._writing() as connection:
            connection.execute(tables.runs.insert(), rows.run_row(run))
            insert_snapshot(connection, task)
        return self.run(name)

    def _check_name(self, name: str) -> None:
        if not rows.NAME.fullmatch(name):
            raise UsageError(
                f"--name {name!r}: a name is a letter or digit, and up to 79 letters, digits, dots, dashes, underscores"
            )
        if name in self.names():
            raise UsageError(f"--name {name}: a run has this name; `kernelsmith resume {name}` continues that run")

    def free_name(self, stem: str) -> str:
        """Return a name for a new run that no run has yet: `stem`, such as a task's name, with invalid characters
        replaced by dashes, followed by the lowest free number from 1 (`cpu_matmul-1`). Nothing is written. Raises
        LogError if the database cannot be read.
        """
        stem = INVALID_IN_NAMES.sub("-", stem).strip("-.")[:60] or "run"
        taken = set(self.names())
        return next(name for n in range(1, len(taken) + 2) if (name := f"{stem}-{n}") not in taken)

    def hold(self, run: Run) -> AbstractContextManager[None]:
        """Return a context manager that holds the lock of `run` during its block, so that no other process adds to the
        run. Raises UsageError if another process holds the lock, LogError if the lock file cannot be written.
        """
        return lock.hold_lock(self._lock_file(run.name), run_name=run.name)

    def keep_snapshot(self, snapshot: Snapshot) -> None:
        """Insert a snapshot (the files of a folder at one moment) into the log, unless the log already holds a snapshot
        with the same digest. It is on disk when the method returns. Raises LogError if it cannot be stored, LogReplaced
        if the log's file was deleted or replaced.
        """
        with self._writing() as connection:
            insert_snapshot(connection, snapshot)

    # --- core.seams.AttemptLog ---

    def ask(self, run: Run, directive: Directive, *events: Event) -> Ask:
        """Insert the next ask (numbered request for a kernel) of `run` and the `events` that led to it, in one
        transaction, and return the ask. It has the next free number and holds `directive`, which says what is
        requested. Raises LogError if it cannot be stored, LogReplaced if the log's file was deleted or replaced.
        """
        history = self.history(run)
        number = max((ask.number for ask in history.asks), default=-1) + 1
        ask = Ask(number, directive, history.highest_attempt)
        with self._writing() as connection:
            connection.execute(tables.asks.insert(), {"run_id": run.id, **rows.ask_row(ask)})
            insert_events(connection, run, events)
        return ask

    def record(self, run: Run, attempt: Attempt, *events: Event) -> None:
        """Insert an attempt of `run` with its verdict, and `events` that follow from it, in one transaction. Raises
        LogError if the log already holds an attempt for the same ask and trial, or if the database fails; LogReplaced
        if the log's file was deleted or replaced.
        """
        with self._writing() as connection:
            insert_attempt(connection, run, attempt)
            insert_events(connection, run, events)

    def note(self, run: Run, event: Event) -> None:
        """Insert one event of `run` into the log. It is on disk when the method returns. Raises LogError if it cannot
        be stored, LogReplaced if the log's file was deleted or replaced.
        """
        self.note_all(run, (event,))

    def note_all(self, run: Run, events: Sequence[Event]) -> None:
        """Insert `events` of `run` into the log in one transaction: all or none. Raises LogError if they cannot be
        stored, LogReplaced if the log's file was deleted or replaced.
        """
        with self._writing() as connection:
            insert_events(connection, run, events)

    def exchanges_of(self, run: Run) -> "RunExchanges":
        """Return an object that a proposer uses to read and insert the model calls of `run` in this log. Nothing is
        read yet.
        """
        return RunExchanges(self, run)

    def keep(self, run: Run, exchange: Exchange) -> None:
        """Insert one model call of `run` (`exchange`) into the log, with the texts of its prompt, reply and reasoning.
        It is on disk when the method returns. Raises LogError if it cannot be stored, LogReplaced if the log's file was
        deleted or replaced.
        """
        with self._writing() as connection:
            for text in (exchange.prompt, exchange.reply, exchange.reasoning):
                insert_blob(connection, text.encode())
            connection.execute(tables.exchanges.insert(), {"run_id": run.id, **rows.exchange_row(exchange)})

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        self._file.require_unchanged()
        with engine.translated_errors(self._where), engine.writing(self._engine) as connection:
            yield connection


@dataclass(frozen=True, slots=True)
class RunExchanges:
    """The model calls of one run in the attempt log. A proposer receives this object in place of the whole log.
    Implements core.seams.Exchanges. Store.exchanges_of makes it.
    """

    _store: Store
    _run: Run

    def exchanges(self, ask_number: int) -> tuple[Exchange, ...]:
        """Return the model calls made so far to answer the ask with the number `ask_number` as a tuple, oldest first,
        failed calls included; empty if there were none. Raises LogError if the database cannot be read.
        """
        return self._store.exchanges(self._run, ask_number)

    def keep(self, exchange: Exchange) -> None:
        """Insert one model call (`exchange`: prompt, reply, tokens and cost) into the log. It is on disk when the
        method returns. Raises LogError if it cannot be stored, LogReplaced if the log's file was deleted or replaced.
        """
        self._store.keep(self._run, exchange)
