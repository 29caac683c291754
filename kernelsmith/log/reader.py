"""Read an attempt log: runs, their histories, model calls and snapshots (the files of a folder).

Reading never changes the log, and never waits for a process that writes to it.
"""

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
    """One run in a list of runs: name, task, proposer (what suggests kernels), status, number of attempts,
    best utilization (achieved fraction of the device's peak) and time of creation. Reader.summaries makes it.
    """

    name: str
    task: str
    proposer: str
    status: RunStatus
    attempts: int
    best_utilization: float | None
    """Utilization of the last promoted attempt, a fraction of the peak; None if there is none. The last promotion
    counts, not the highest score, because scores that were measured at different times are not comparable.
    """
    created_at: datetime


class Reader(AbstractContextManager["Reader"]):
    """An attempt log that is open for reading: runs, histories, model calls and snapshots. Each call also reads what
    other processes have written since the last one. Methods raise LogError if the database cannot be read, UsageError
    if the file is not a database. `open_reader` makes it; as a context manager it closes itself.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._where = str(source.path)
        self._loaded: dict[int, LoadedRun] = {}

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the database, and remove the temporary copy of the database if this reader made one.
        The reader cannot be used afterwards.
        """
        self._source.close()

    @property
    def path(self) -> Path:
        """Return the path of the database file, as the user named it, even if a temporary copy of the file is read."""
        return self._source.path

    # --- runs ---

    def run(self, name: str) -> Run:
        """Return the run with the name `name`. Raises UsageError if the log has no such run, or if the run's settings
        have a key that this program does not know; LogError if the run cannot be read.
        """
        with self._source.reading() as transaction:
            run_rows = transaction.rows(RUN, name=name)
        if not run_rows:
            raise UsageError(f"no run {name!r} in {self._where}; {self._suggestion(name)}")
        with _translated_errors(self._where):
            return rows.run_of(run_rows[0])

    def _suggestion(self, name: str) -> str:
        names = self.names()
        if not names:
            return "it has no run yet; `kernelsmith run TASK` starts one"
        return f"it has {', '.join(difflib.get_close_matches(name, names, n=3) or names[-3:])}"

    def names(self) -> list[str]:
        """Return a list of the names of all runs, oldest first; empty if there are none. Raises LogError if the
        database cannot be read.
        """
        with self._source.reading() as transaction:
            return [name for (name,) in transaction.tuples(NAMES)]

    def summaries(self) -> list[RunSummary]:
        """Return a list with a RunSummary of each run, oldest first; empty if there are none. Raises LogError if the
        database cannot be read.
        """
        with self._source.reading() as transaction:
            counts: dict[int, int] = dict(transaction.tuples(COUNTS))
            best: dict[int, float] = dict(transaction.tuples(PROMOTED))
            run_rows = transaction.rows(RUNS)
        return [self._summary(row, counts.get(row["id"], 0), best.get(row["id"])) for row in run_rows]

    def status(self, run: Run) -> RunStatus:
        """Return the status of `run`: `running` if a process holds its lock; else `ended` or `paused` if its last event
        says so, `interrupted` otherwise. Raises LogError if the database cannot be read.
        """
        return self._status(run.id, run.name)

    def history(self, run: Run) -> History:
        """Return the history of `run` up to now: asks, attempts, events, devices and costs. Only attempts that became
        the best of the run hold their timed batches; the method `batches` returns those of any attempt. Raises LogError
        if the run cannot be read.
        """
        # A failed refresh leaves a run that was read in part: it is dropped, and the next call reads everything.
        loaded = self._loaded.pop(run.id, None) or LoadedRun(run)
        with self._source.reading() as transaction, _translated_errors(self._where):
            history = loaded.refresh(transaction)
        self._loaded[run.id] = loaded
        return history

    # --- one attempt, one ask ---

    def batches(self, run: Run, number: int) -> tuple[Batch, ...]:
        """Return all timed batches of the attempt with the number `number` of `run` as a tuple, oldest first; empty if
        the attempt has none or does not exist. Raises LogError if the database cannot be read.
        """
        with self._source.reading() as transaction:
            return tuple(map(rows.batch_of, transaction.rows(BATCHES, run_id=run.id, number=number)))

    def exchanges(self, run: Run, ask_number: int) -> tuple[Exchange, ...]:
        """Return the model calls that were made to answer the ask with the number `ask_number` of `run` as a tuple,
        oldest first, failed calls included; empty if there were none. Raises LogError if the database cannot be read.
        """
        with self._source.reading() as transaction:
            exchange_rows = transaction.rows(EXCHANGES, run_id=run.id, ask_number=ask_number)
            texts = rows.texts_of(transaction.tuples(EXCHANGED_TEXTS, run_id=run.id, ask_number=ask_number))
        return tuple(rows.exchange_of(row, texts=texts) for row in exchange_rows)

    def snapshot(self, digest: str) -> Snapshot | None:
        """Return the snapshot (files of a task folder or of prompt templates at one moment) whose SHA-256 sum is
        `digest`, or None if the log does not hold it. Raises LogError if the database cannot be read.
        """
        with self._source.reading() as transaction:
            files = transaction.tuples(SNAPSHOT, digest=digest)
        return Snapshot({path: rows.content_of(stored) for path, stored in files}) if files else None

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
def _translated_errors(where: str) -> Iterator[None]:
    """Return a context manager, which yields nothing, that raises a one-line LogError if its block raises KeyError,
    TypeError or ValueError: the database then holds a value that this program does not know. `where`, the path of the
    database, begins the message.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise LogError(
            f"{where}: holds a value that this kernelsmith does not understand: {error}; a newer version may"
        ) from error


_STATUS_AFTER = {
    EventKind.ENDED: RunStatus.ENDED,
    EventKind.EXHAUSTED: RunStatus.ENDED,
    EventKind.PAUSED: RunStatus.PAUSED,
}


def open_reader(url_or_path: str | Path) -> Reader:
    """Open the existing attempt log that `url_or_path` (a path or a `sqlite:///` URL) names, and return a Reader.
    Raises UsageError if the file is missing, is not an attempt log, has a newer schema (table layout), or has an older
    schema and more than 256 MiB; LogError if it cannot be read.
    """
    return Reader(open_for_reading(url_or_path))
