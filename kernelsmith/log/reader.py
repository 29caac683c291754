"""Read an attempt log: runs, their histories, model calls and snapshots. It writes nothing and waits for nobody."""

import difflib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kernelsmith import paths
from kernelsmith.core.history import History
from kernelsmith.core.run import EventKind, Run, RunStatus
from kernelsmith.core.snapshot import Snapshot
from kernelsmith.core.usage import Exchange
from kernelsmith.core.verdict import Batch
from kernelsmith.errors import LogError, UsageError
from kernelsmith.log import lock, rows
from kernelsmith.log.loading import LoadedRun
from kernelsmith.log.opening import open_for_reading
from kernelsmith.log.source import Row, Source

RUN = "SELECT * FROM runs WHERE name = :name"
RUNS = "SELECT * FROM runs ORDER BY id"
NAMES = "SELECT name FROM runs ORDER BY id"
COUNTS = "SELECT run_id, count(*) FROM attempts GROUP BY run_id"
PROMOTED = "SELECT run_id, utilization FROM attempts WHERE promotion IS NOT NULL ORDER BY number"
LAST_EVENT = "SELECT kind FROM events WHERE run_id = :run_id ORDER BY id DESC LIMIT 1"
BATCHES = """
    SELECT samples.* FROM attempts JOIN samples ON samples.attempt_id = attempts.id
    WHERE attempts.run_id = :run_id AND attempts.number = :number ORDER BY samples.position"""
EXCHANGES = "SELECT * FROM exchanges WHERE run_id = :run_id AND ask_number = :ask_number ORDER BY id"
EXCHANGED_TEXTS = """
    SELECT digest, content FROM blobs WHERE digest IN (
        SELECT prompt_digest FROM exchanges WHERE run_id = :run_id AND ask_number = :ask_number
        UNION SELECT reply_digest FROM exchanges WHERE run_id = :run_id AND ask_number = :ask_number
        UNION SELECT reasoning_digest FROM exchanges WHERE run_id = :run_id AND ask_number = :ask_number)"""
SNAPSHOT = """
    SELECT snapshots.path, blobs.content FROM snapshots JOIN blobs ON blobs.digest = snapshots.blob
    WHERE snapshots.digest = :digest"""


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

    def __init__(self, source: Source) -> None:
        self._source = source
        self._where = str(source.path)
        self._loaded: dict[int, LoadedRun] = {}

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._source.close()

    @property
    def path(self) -> Path:
        """The database file."""
        return self._source.path

    # --- runs ---

    def run(self, name: str) -> Run:
        """Return the run of this name.

        Raises:
            UsageError: there is none, or its config has a key that this program does not know.
        """
        with self._source.reading() as transaction:
            found = transaction.rows(RUN, name=name)
        if not found:
            names = self.names()
            close = difflib.get_close_matches(name, names, n=3) or names[-3:]
            hint = f"; there is {', '.join(close)}" if close else "; there is none yet: `kernelsmith run TASK`"
            raise UsageError(f"no run {name!r} in {self._where}{hint}")
        with _understood(self._where):
            return rows.run_of(found[0])

    def names(self) -> list[str]:
        """Return the names of all runs, oldest first."""
        with self._source.reading() as transaction:
            return [name for (name,) in transaction.tuples(NAMES)]

    def summaries(self) -> list[RunSummary]:
        """Return a line for each run, oldest first."""
        with self._source.reading() as transaction:
            counts: dict[int, int] = dict(transaction.tuples(COUNTS))
            best: dict[int, float] = dict(transaction.tuples(PROMOTED))
            found = transaction.rows(RUNS)
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
        with self._source.reading() as transaction, _understood(self._where):
            history = loaded.refresh(transaction)
        self._loaded[run.id] = loaded
        return history

    # --- one attempt, one ask ---

    def batches(self, run: Run, number: int) -> tuple[Batch, ...]:
        """Return all batches of the attempt with this number, in order."""
        with self._source.reading() as transaction:
            return tuple(map(rows.batch_of, transaction.rows(BATCHES, run_id=run.id, number=number)))

    def exchanges(self, run: Run, ask_number: int) -> tuple[Exchange, ...]:
        """Return the model calls of one ask, oldest first."""
        with self._source.reading() as transaction:
            found = transaction.rows(EXCHANGES, run_id=run.id, ask_number=ask_number)
            texts = rows.texts_of(transaction.tuples(EXCHANGED_TEXTS, run_id=run.id, ask_number=ask_number))
        return tuple(rows.exchange_of(row, texts=texts) for row in found)

    def snapshot(self, digest: str) -> Snapshot | None:
        """Return the files that were kept under a digest; None where the log keeps none under it."""
        with self._source.reading() as transaction:
            found = transaction.tuples(SNAPSHOT, digest=digest)
        return Snapshot({path: rows.content_of(content) for path, content in found}) if found else None

    # --- inside ---

    def _summary(self, row: Row, count: int, best: float | None) -> RunSummary:
        config, at = rows.parsed(row["config"]), datetime.fromisoformat(row["created_at"])
        status = self._status(row["id"], row["name"])
        return RunSummary(row["name"], Path(config["task"]).name, config["proposer"], status, count, best, at)

    def _status(self, run_id: int, name: str) -> RunStatus:
        if rows.NAME.fullmatch(name) and lock.is_held(self._lock_file(name)):
            return RunStatus.RUNNING
        with self._source.reading() as transaction:
            last = transaction.tuples(LAST_EVENT, run_id=run_id)
        return _STATUS_AFTER.get(EventKind(last[0][0]), RunStatus.INTERRUPTED) if last else RunStatus.INTERRUPTED

    def _lock_file(self, name: str) -> Path:
        return paths.run_folder(self._source.path, name) / "lock"


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


def open_reader(url_or_path: str | Path) -> Reader:
    """Open an existing attempt log read-only.

    Raises:
        UsageError: there is none, it is no attempt log, a newer one, or an older one of more than 256 MB.
        LogError: it cannot be read.
    """
    return Reader(open_for_reading(url_or_path))
