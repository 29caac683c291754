"""The attempt log as the rest of the program knows it: runs, their histories, and the four ways to write.

It implements core.seams.AttemptLog and hands out core.seams.Exchanges. What a method wrote is on disk when it returns.
"""

import difflib
import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, func, select

from kernelsmith import paths
from kernelsmith.core.attempt import Ask, Attempt, Directive
from kernelsmith.core.history import History
from kernelsmith.core.run import Event, EventKind, Run, RunConfig, RunStatus
from kernelsmith.core.usage import Exchange
from kernelsmith.core.verdict import Batch
from kernelsmith.errors import UsageError
from kernelsmith.log import database, lock, rows, tables
from kernelsmith.log.inserting import insert_attempt, insert_blob, insert_events
from kernelsmith.log.loading import Memory, load, opened, texts

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
"""Run names become folder names."""
UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


def open_store(url_or_path: str | Path, *, create: bool = True) -> "Store":
    """The attempt log at a path or SQLAlchemy URL; made if it does not exist and `create` is true.

    Raises:
        UsageError: there is none, it is no attempt log, or a newer one.
        LogError: it cannot be read or written.
    """
    return Store(url_or_path, create=create)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line of the list of runs."""

    name: str
    task: str
    proposer: str
    status: RunStatus
    attempts: int
    best_utilization: float | None
    created_at: datetime


class Store(AbstractContextManager["Store"]):
    """One attempt log, opened."""

    def __init__(self, url_or_path: str | Path, *, create: bool) -> None:
        self._where = str(url_or_path)
        self._engine, self._path = database.connect(url_or_path, create=create)
        self._memories: dict[int, Memory] = {}

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    # --- runs ---

    def create_run(self, config: RunConfig, *, name: str | None, task_digest: str) -> Run:
        """A new run; without a name it is called after its task.

        Raises:
            UsageError: the name is taken, or cannot be a folder's name.
        """
        taken = {run.name for run in self.runs()}
        name = self.free_name(Path(config.task).name) if name is None else name
        if not NAME.fullmatch(name):
            raise UsageError(f"--name {name!r}: letters, digits, dots, dashes and underscores only, at most 80")
        if name in taken:
            raise UsageError(f"--name {name}: there is a run of this name; `kernelsmith resume {name}` goes on with it")
        row = rows.run_row(config, name=name, task_digest=task_digest, at=datetime.now(UTC))
        with self._writing() as connection:
            connection.execute(tables.runs.insert().values(row))
        return self.run(name)

    def free_name(self, stem: str) -> str:
        """The stem, made fit for a folder's name, with the first number that no run has."""
        stem = UNFIT.sub("-", stem).strip("-.")[:60] or "run"
        taken = {run.name for run in self.runs()}
        return next(name for n in range(1, len(taken) + 2) if (name := f"{stem}-{n}") not in taken)

    def run(self, name: str) -> Run:
        """The run of this name.

        Raises:
            UsageError: there is none.
        """
        with self._reading() as connection:
            found = connection.execute(select(tables.runs).where(tables.runs.c.name == name)).mappings().first()
        if found is None:
            names = [run.name for run in self.runs()]
            close = difflib.get_close_matches(name, names, n=3) or names[-3:]
            hint = f"; there is {', '.join(close)}" if close else "; there is none yet: `kernelsmith run TASK`"
            raise UsageError(f"no run {name!r} in {self._where}{hint}")
        return rows.run_of(found)

    def runs(self) -> list[Run]:
        """All runs, oldest first."""
        with self._reading() as connection:
            return [rows.run_of(row) for row in connection.execute(select(tables.runs)).mappings()]

    def summaries(self) -> list[RunSummary]:
        """A line for each run, oldest first."""
        attempts = tables.attempts.c
        counted = select(attempts.run_id, func.count()).group_by(attempts.run_id)
        promoted = select(attempts.run_id, attempts.utilization).where(attempts.promotion.is_not(None))
        with self._reading() as connection:
            counts: dict[int, int] = dict(connection.execute(counted).all())
            # The last one promoted is the best: a duel decides, not two scores of different minutes.
            best: dict[int, float] = dict(connection.execute(promoted.order_by(attempts.number)).all())
        return [self._summary(run, counts.get(run.id, 0), best.get(run.id)) for run in self.runs()]

    def status(self, run: Run) -> RunStatus:
        """Running if a live process holds the run; else by its last event."""
        if lock.is_held(self._lock_file(run)):
            return RunStatus.RUNNING
        query = select(tables.events.c.kind).where(tables.events.c.run_id == run.id)
        with self._reading() as connection:
            kind = connection.execute(query.order_by(tables.events.c.id.desc()).limit(1)).scalar()
        return RunStatus.INTERRUPTED if kind is None else _STATUS_AFTER.get(EventKind(kind), RunStatus.INTERRUPTED)

    def hold(self, run: Run) -> AbstractContextManager[None]:
        """Be the one process that works on this run.

        Raises:
            UsageError: another process is.
        """
        return lock.held(self._lock_file(run), run_name=run.name)

    # --- core.seams.AttemptLog ---

    def history(self, run: Run) -> History:
        """The run as it stands.

        Attempts come with their batches where they were promoted; `batches` has the others.
        """
        if run.id not in self._memories:
            with self._reading() as connection:
                self._memories[run.id] = load(connection, run.id)
        memory = self._memories[run.id]
        attempts, events, devices = tuple(memory.attempts), tuple(memory.events), tuple(memory.devices)
        return History(run, attempts, events, memory.pending, memory.usage, devices)

    def ask(self, run: Run, directive: Directive, *events: Event) -> Ask:
        """Write down what is asked for next, and what led to it."""
        ask = Ask(len(self.history(run).attempts), directive)
        with self._writing() as connection:
            row = rows.ask_row(ask.number, directive)
            connection.execute(tables.asks.insert().values(run_id=run.id, **row))
            insert_events(connection, run, events)
        self._remember(run, events)
        self._memories[run.id].pending = ask
        return ask

    def record(self, run: Run, attempt: Attempt, *events: Event) -> None:
        """Write down a verdict, once per ask, and what follows from it.

        Raises:
            LogError: the ask has its attempt already, or the database failed.
        """
        self.history(run)
        with self._writing() as connection:
            insert_attempt(connection, run, attempt)
            insert_events(connection, run, events)
        self._remember(run, events)
        memory = self._memories[run.id]
        # As a later process reads it, so that nothing depends on who wrote it.
        memory.attempts.append(attempt if attempt.verdict.promotion else rows.without_batches(attempt))
        memory.pending = None

    def note(self, run: Run, event: Event) -> None:
        """Write down an event."""
        self.history(run)
        with self._writing() as connection:
            insert_events(connection, run, (event,))
        self._remember(run, (event,))

    # --- the rest ---

    def exchanges_of(self, run: Run) -> "RunExchanges":
        """Where this run's model calls are kept."""
        return RunExchanges(self, run)

    def batches(self, run: Run, number: int) -> tuple[Batch, ...]:
        """All batches of one attempt, in order."""
        attempts, samples = tables.attempts.c, tables.samples
        query = select(samples).join(tables.attempts, attempts.id == samples.c.attempt_id)
        query = query.where(attempts.run_id == run.id, attempts.number == number).order_by(samples.c.position)
        with self._reading() as connection:
            return tuple(rows.batch_of(row) for row in connection.execute(query).mappings())

    def exchanges(self, run: Run, ask_number: int) -> tuple[Exchange, ...]:
        """The model calls of one ask, oldest first."""
        columns = tables.exchanges.c
        query = select(tables.exchanges).where(columns.run_id == run.id, columns.ask_number == ask_number)
        with self._reading() as connection:
            found = connection.execute(query.order_by(columns.id)).mappings().all()
            found_texts = texts(connection, [row[f"{name}_digest"] for row in found for name in _TEXTS])
        return tuple(rows.exchange_of(row, texts=found_texts) for row in found)

    def keep(self, run: Run, exchange: Exchange) -> None:
        """Write down a model call."""
        self.history(run)
        with self._writing() as connection:
            for text in (exchange.prompt, exchange.reply, exchange.reasoning):
                insert_blob(connection, text)
            connection.execute(tables.exchanges.insert().values(run_id=run.id, **rows.exchange_row(exchange)))
        memory = self._memories[run.id]
        memory.usage = memory.usage + exchange.usage

    def _remember(self, run: Run, events: Sequence[Event]) -> None:
        memory = self._memories[run.id]
        memory.events.extend(events)
        memory.devices.extend(opened(events))

    def _summary(self, run: Run, count: int, best: float | None) -> RunSummary:
        task = Path(run.config.task).name
        return RunSummary(run.name, task, run.config.proposer, self.status(run), count, best, run.created_at)

    def _lock_file(self, run: Run) -> Path:
        if self._path is not None:
            return paths.run_folder(self._path, run.name) / "lock"
        database_id = hashlib.sha256(self._where.encode()).hexdigest()[:16]
        return paths.cache_folder() / "locks" / database_id / run.name

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with database.faults(self._where), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with database.faults(self._where), database.writing(self._engine) as connection:
            yield connection


@dataclass(frozen=True, slots=True)
class RunExchanges:
    """core.seams.Exchanges for one run."""

    _store: Store
    _run: Run

    def exchanges(self, ask_number: int) -> tuple[Exchange, ...]:
        """The calls made for this ask so far, oldest first."""
        return self._store.exchanges(self._run, ask_number)

    def keep(self, exchange: Exchange) -> None:
        """On disk when this returns."""
        self._store.keep(self._run, exchange)


_STATUS_AFTER = {
    EventKind.ENDED: RunStatus.ENDED,
    EventKind.EXHAUSTED: RunStatus.ENDED,
    EventKind.PAUSED: RunStatus.PAUSED,
}
_TEXTS = ("prompt", "reply", "reasoning")
