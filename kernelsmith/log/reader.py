"""Read an attempt log: runs, their histories, model calls and snapshots. It writes nothing and waits for nobody."""

import difflib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, func, select

from kernelsmith import paths
from kernelsmith.core.history import History
from kernelsmith.core.run import EventKind, Run, RunStatus
from kernelsmith.core.snapshot import Snapshot
from kernelsmith.core.usage import Exchange
from kernelsmith.core.verdict import Batch
from kernelsmith.errors import LogError, UsageError
from kernelsmith.log import database, lock, rows, tables
from kernelsmith.log.loading import LoadedRun, contents, texts


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line of the list of runs."""

    name: str
    task: str
    proposer: str
    status: RunStatus
    attempts: int
    best_utilization: float | None
    """Of the last promoted attempt: a duel decides, not two scores of different minutes."""
    created_at: datetime


class Reader(AbstractContextManager["Reader"]):
    """One attempt log, opened. What other processes write while it is open is read by the next call."""

    def __init__(self, opened: database.Database) -> None:
        self._database = opened
        self._where = str(opened.path)
        self._loaded: dict[int, LoadedRun] = {}

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._database.close()

    @property
    def path(self) -> Path:
        """The database file."""
        return self._database.path

    # --- runs ---

    def run(self, name: str) -> Run:
        """Return the run of this name.

        Raises:
            UsageError: there is none, or its config has a key that this program does not know.
        """
        with self._reading() as connection:
            found = connection.execute(select(tables.runs).where(tables.runs.c.name == name)).mappings().first()
        if found is None:
            names = self.names()
            close = difflib.get_close_matches(name, names, n=3) or names[-3:]
            hint = f"; there is {', '.join(close)}" if close else "; there is none yet: `kernelsmith run TASK`"
            raise UsageError(f"no run {name!r} in {self._where}{hint}")
        with _understood(self._where):
            return rows.run_of(found)

    def names(self) -> list[str]:
        """Return the names of all runs, oldest first."""
        with self._reading() as connection:
            return list(connection.execute(select(tables.runs.c.name).order_by(tables.runs.c.id)).scalars())

    def summaries(self) -> list[RunSummary]:
        """Return a line for each run, oldest first."""
        runs, attempts = tables.runs.c, tables.attempts.c
        counted = select(attempts.run_id, func.count()).group_by(attempts.run_id)
        promoted = select(attempts.run_id, attempts.utilization).where(attempts.promotion.is_not(None))
        with self._reading() as connection:
            counts: dict[int, int] = dict(connection.execute(counted).all())
            best: dict[int, float] = dict(connection.execute(promoted.order_by(attempts.number)).all())
            found = connection.execute(select(tables.runs).order_by(runs.id)).mappings().all()
        return [self._summary(row, counts.get(row["id"], 0), best.get(row["id"])) for row in found]

    def status(self, run: Run) -> RunStatus:
        """Return `running` if a live process holds the run; else what follows from its last event."""
        return self._status(run.id, run.name)

    def history(self, run: Run) -> History:
        """Return the run as it stands.

        Attempts come with their batches where they were promoted; `batches` has the others.
        """
        # What a query that failed had read in part is read again.
        loaded = self._loaded.pop(run.id, None) or LoadedRun(run)
        with self._reading() as connection, _understood(self._where):
            history = loaded.refresh(connection)
        self._loaded[run.id] = loaded
        return history

    # --- one attempt, one ask ---

    def batches(self, run: Run, number: int) -> tuple[Batch, ...]:
        """Return all batches of the attempt with this number, in order."""
        attempts, samples = tables.attempts.c, tables.samples
        query = select(samples).join(tables.attempts, attempts.id == samples.c.attempt_id)
        query = query.where(attempts.run_id == run.id, attempts.number == number).order_by(samples.c.position)
        with self._reading() as connection:
            return tuple(rows.batch_of(row) for row in connection.execute(query).mappings())

    def exchanges(self, run: Run, ask_number: int) -> tuple[Exchange, ...]:
        """Return the model calls of one ask, oldest first."""
        columns = tables.exchanges.c
        query = select(tables.exchanges).where(columns.run_id == run.id, columns.ask_number == ask_number)
        with self._reading() as connection:
            found = connection.execute(query.order_by(columns.id)).mappings().all()
            found_texts = texts(connection, [row[f"{name}_digest"] for row in found for name in _TEXTS])
        return tuple(rows.exchange_of(row, texts=found_texts) for row in found)

    def snapshot(self, digest: str) -> Snapshot | None:
        """Return the files that were kept under a digest; None where the log keeps none under it."""
        query = select(tables.snapshots.c.path, tables.snapshots.c.blob).where(tables.snapshots.c.digest == digest)
        with self._reading() as connection:
            blobs: dict[str, str] = dict(connection.execute(query).all())
            found = contents(connection, blobs.values())
        return Snapshot({path: found[blob] for path, blob in blobs.items()}) if blobs else None

    # --- inside ---

    def _summary(self, row: rows.Row, count: int, best: float | None) -> RunSummary:
        task, at = Path(row["config"]["task"]).name, datetime.fromisoformat(row["created_at"])
        status = self._status(row["id"], row["name"])
        return RunSummary(row["name"], task, row["config"]["proposer"], status, count, best, at)

    def _status(self, run_id: int, name: str) -> RunStatus:
        if rows.NAME.fullmatch(name) and lock.is_held(self._lock_file(name)):
            return RunStatus.RUNNING
        query = select(tables.events.c.kind).where(tables.events.c.run_id == run_id)
        with self._reading() as connection:
            kind = connection.execute(query.order_by(tables.events.c.id.desc()).limit(1)).scalar()
        return RunStatus.INTERRUPTED if kind is None else _STATUS_AFTER.get(EventKind(kind), RunStatus.INTERRUPTED)

    def _lock_file(self, name: str) -> Path:
        return paths.run_folder(self._database.path, name) / "lock"

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """Hold one transaction, so that several queries see one state of the log."""
        with database.faults(self._where), self._database.engine.connect() as connection, connection.begin():
            yield connection


@contextmanager
def _understood(where: str) -> Iterator[None]:
    """Turn a row that this program cannot read into one line. Raises LogError."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise LogError(f"{where}: holds what this kernelsmith does not understand: {error}; a newer one may") from error


_STATUS_AFTER = {
    EventKind.ENDED: RunStatus.ENDED,
    EventKind.EXHAUSTED: RunStatus.ENDED,
    EventKind.PAUSED: RunStatus.PAUSED,
}
_TEXTS = ("prompt", "reply", "reasoning")


def open_reader(url_or_path: str | Path) -> Reader:
    """Open an existing attempt log read-only.

    Raises:
        UsageError: there is none, it is no attempt log, a newer one, or an older one of more than 256 MB.
        LogError: it cannot be read.
    """
    return Reader(database.open_for_reading(url_or_path))
