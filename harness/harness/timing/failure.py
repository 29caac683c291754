"""How a stage says that the candidate failed: the verdict's status and the sentence that goes with it."""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.task import Case
from harness.worker import WorkerDied, WorkerOverdue


class CandidateFailed(Exception):
    """The candidate failed; judging/judge.py turns this into the verdict. A fault of the judge's is never one."""

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@contextmanager
def deaths_are_verdicts(case: Case | None) -> Iterator[None]:
    """Turn the end of a worker into the candidate's failure in a case; None = while the candidate was loaded."""
    place = "while it was loaded" if case is None else f"in case {case.name}"
    try:
        yield
    except WorkerDied as death:
        raise CandidateFailed("crashed", _hidden("ended", case) or f"{death} {place}") from death
    except WorkerOverdue as overdue:
        raise CandidateFailed("timed_out", _hidden("deadline", case) or f"deadline: {overdue} {place}") from overdue


def _hidden(end: str, case: Case | None) -> str:
    """Return what a hidden case tells: its kind alone, for an exit code or a signal could spell out the case."""
    return f"{end} in a hidden case: {case.kind}" if case and case.hidden else ""
