"""Read runs back for a face to show: a log is opened read-only, read, and closed."""

from pathlib import Path

from kernelsmith.app.places import database
from kernelsmith.app.references import Reference, attempt_of, history_of, parse
from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History
from kernelsmith.errors import UsageError
from kernelsmith.log.reader import Reader, RunSummary, open_reader
from kernelsmith.report.model import RunReport, run_report
from kernelsmith.report.model_attempt import AttemptReport, attempt_report


def read_history(run: str, *, db: str | Path | None = None) -> History:
    """Return a run's history. Raises UsageError: there is no such run, or no log."""
    with open_reader(database(db)) as log:
        return history_of(log, run)


def read_run(run: str, *, db: str | Path | None = None) -> RunReport:
    """Return a run with all its attempts. Raises UsageError: there is no such run, or no log."""
    with open_reader(database(db)) as log:
        history = history_of(log, run)
        return run_report(history, log.status(history.run))


def read_attempt(run: str, number: int, *, db: str | Path | None = None) -> AttemptReport:
    """Return one attempt in full. Raises UsageError: there is no such attempt, run or log."""
    with open_reader(database(db)) as log:
        history = history_of(log, run)
        attempt = attempt_of(history, number)
        batches = log.batches(history.run, number)
        return attempt_report(
            history, attempt, batches=batches, exchanges=log.exchanges(history.run, attempt.ask_number)
        )


def read_summaries(*, db: str | Path | None = None) -> list[RunSummary]:
    """Return a line for each run of a log. Raises UsageError: there is no log."""
    with open_reader(database(db)) as log:
        return log.summaries()


Found = tuple[History, Attempt | None]


def read_pair(a: str, b: str, *, db: str | Path | None = None) -> tuple[Found, Found]:
    """Return two runs, or two attempts with their runs.

    Raises:
        UsageError: one names a run and the other an attempt, or one does not exist.
    """
    x, y = parse(a), parse(b)
    with open_reader(database(db)) as log:
        pair = _found(log, x), _found(log, y)
    if (x.number is None) != (y.number is None):
        raise UsageError(f"diff {a} {b}: give two runs, or two attempts RUN:N")
    return pair


def _found(log: Reader, reference: Reference) -> Found:
    history = history_of(log, reference.run)
    return history, attempt_of(history, reference.number) if reference.number is not None else None
