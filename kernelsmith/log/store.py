"""Write an attempt log. It implements core.seams.AttemptLog and hands out core.seams.Exchanges.

What a method wrote is on disk when it returns.
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
from kernelsmith.log.inserting import insert_attempt, insert_blob, insert_events, insert_snapshot
from kernelsmith.log.reader import Reader
from kernelsmith.log.sqlite_file import SQLiteFile

UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


def open_store(url_or_path: str | Path, *, create: bool = True) -> "Store":
    """Open the attempt log at a path or SQLite URL for writing; it is made if it is missing and `create` is true.

    Raises:
        UsageError: there is none, it is no attempt log, or a newer one.
        LogError: it cannot be read or written.
    """
    path = file_of(url_or_path)
    return Store(path, engine.open_for_writing(path, create=create))


class Store(Reader):
    """One attempt log, opened for writing. It reads as every reader does, and writes through other connections."""

    def __init__(self, path: Path, database: Engine) -> None:
        super().__init__(SQLiteFile(path, path))
        self._engine = database

    def close(self) -> None:
        """Close the connections. The writing one comes last: only a writer can clear the WAL file away."""
        super().close()
        self._engine.dispose()

    def __enter__(self) -> "Store":
        return self

    def create_run(
        self, config: RunConfig, *, name: str | None, task: Snapshot, provenance: Provenance | None = None
    ) -> Run:
        """Write down a new run with its task's files; without a name it is called after its task.

        Raises:
            UsageError: the name is taken, or cannot be a folder's name.
        """
        name = self.free_name(Path(config.task).name) if name is None else name
        self._refuse_name(name)
        at, made = datetime.now(UTC), provenance or Provenance()
        run = Run(0, name, config, task.digest, at, str(uuid4()), made)
        with self._writing() as connection:
            connection.execute(tables.runs.insert(), rows.run_row(run))
            insert_snapshot(connection, task)
        return self.run(name)

    def _refuse_name(self, name: str) -> None:
        if not rows.NAME.fullmatch(name):
            raise UsageError(f"--name {name!r}: letters, digits, dots, dashes and underscores only, at most 80")
        if name in self.names():
            raise UsageError(f"--name {name}: there is a run of this name; `kernelsmith resume {name}` goes on with it")

    def free_name(self, stem: str) -> str:
        """Return the stem, made fit for a folder's name, with the first number that no run has."""
        stem = UNFIT.sub("-", stem).strip("-.")[:60] or "run"
        taken = set(self.names())
        return next(name for n in range(1, len(taken) + 2) if (name := f"{stem}-{n}") not in taken)

    def hold(self, run: Run) -> AbstractContextManager[None]:
        """Be the one process that works on this run.

        Raises:
            UsageError: another process is.
        """
        return lock.held(self._lock_file(run.name), run_name=run.name)

    def keep_snapshot(self, snapshot: Snapshot) -> None:
        """Write down the files of a folder, unless they are kept already."""
        with self._writing() as connection:
            insert_snapshot(connection, snapshot)

    # --- core.seams.AttemptLog ---

    def ask(self, run: Run, directive: Directive, *events: Event) -> Ask:
        """Write down what is asked for next, and what led to it."""
        history = self.history(run)
        number = max((ask.number for ask in history.asks), default=-1) + 1
        ask = Ask(number, directive, history.highest_attempt)
        with self._writing() as connection:
            connection.execute(tables.asks.insert(), {"run_id": run.id, **rows.ask_row(ask)})
            insert_events(connection, run, events)
        return ask

    def record(self, run: Run, attempt: Attempt, *events: Event) -> None:
        """Write down a verdict, once per ask and trial, and what follows from it.

        Raises:
            LogError: the trial has its attempt already, or the database failed.
        """
        with self._writing() as connection:
            insert_attempt(connection, run, attempt)
            insert_events(connection, run, events)

    def note(self, run: Run, event: Event) -> None:
        """Write down an event."""
        self.note_all(run, (event,))

    def note_all(self, run: Run, events: Sequence[Event]) -> None:
        """Write down events in one transaction."""
        with self._writing() as connection:
            insert_events(connection, run, events)

    def exchanges_of(self, run: Run) -> "RunExchanges":
        """Return where this run's model calls are kept."""
        return RunExchanges(self, run)

    def keep(self, run: Run, exchange: Exchange) -> None:
        """Write down a model call."""
        with self._writing() as connection:
            for text in (exchange.prompt, exchange.reply, exchange.reasoning):
                insert_blob(connection, text.encode())
            connection.execute(tables.exchanges.insert(), {"run_id": run.id, **rows.exchange_row(exchange)})

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with engine.faults(self._where), engine.writing(self._engine) as connection:
            yield connection


@dataclass(frozen=True, slots=True)
class RunExchanges:
    """core.seams.Exchanges for one run."""

    _store: Store
    _run: Run

    def exchanges(self, ask_number: int) -> tuple[Exchange, ...]:
        """Return the calls made for this ask so far, oldest first."""
        return self._store.exchanges(self._run, ask_number)

    def keep(self, exchange: Exchange) -> None:
        """Write down a call; it is on disk when this returns."""
        self._store.keep(self._run, exchange)
