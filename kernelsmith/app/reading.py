"""Reads runs from an attempt log for the command line and the Python API. Each function opens the log and closes it
again.
"""

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
    """Return the history of the run named `run`: its settings, asks, attempts and events. `db` is the log: a file or an
    SQLite URL (None = runs/attempts.db in the working directory). Raises UsageError if there is no such run or no log,
    and LogError if the log cannot be read.
    """
    with open_reader(database(db)) as log:
        return history_of(log, run)


def read_run(run: str, *, db: str | Path | None = None) -> RunReport:
    """Return the report of the run named `run`: its description, attempts and events as plain data. `db` is the log's
    file or URL (None = runs/attempts.db). Raises UsageError if there is no such run or no log, and LogError if the log
    cannot be read.
    """
    with open_reader(database(db)) as log:
        history = history_of(log, run)
        return run_report(history, log.status(history.run))


def read_attempt(run: str, number: int, *, db: str | Path | None = None) -> AttemptReport:
    """Return the report of attempt `number` of the run named `run`, with its source, timed batches and model calls.
    `db` is the log's file or URL (None = runs/attempts.db). Raises UsageError if there is no such attempt, run or log,
    and LogError if the log cannot be read.
    """
    with open_reader(database(db)) as log:
        history = history_of(log, run)
        attempt = attempt_of(history, number)
        batches = log.batches(history.run, number)
        return attempt_report(
            history, attempt, batches=batches, exchanges=log.exchanges(history.run, attempt.ask_number)
        )


def read_summaries(*, db: str | Path | None = None) -> list[RunSummary]:
    """Return a list with one summary for each run of a log, oldest run first. `db` is the log's file or URL (None =
    runs/attempts.db). Raises UsageError if there is no log, and LogError if it cannot be read.
    """
    with open_reader(database(db)) as log:
        return log.summaries()


RunOrAttempt = tuple[History, Attempt | None]
"""The history of a run, and one of its attempts if the user named one."""


def read_pair(a: str, b: str, *, db: str | Path | None = None) -> tuple[RunOrAttempt, RunOrAttempt]:
    """Return two pairs, for the texts `a` and `b`: the history of the run that the text names, and its attempt if the
    text is `RUN:N`, or None if it is `RUN`. `db` is the log (None = runs/attempts.db). Raises UsageError if one text
    names a run and the other an attempt, or one of them does not exist.
    """
    x, y = parse(a), parse(b)
    with open_reader(database(db)) as log:
        pair = _read(log, x), _read(log, y)
    if (x.number is None) != (y.number is None):
        raise UsageError(f"diff {a} {b}: give two runs, or two attempts RUN:N")
    return pair


def _read(log: Reader, reference: Reference) -> RunOrAttempt:
    history = history_of(log, reference.run)
    return history, attempt_of(history, reference.number) if reference.number is not None else None
