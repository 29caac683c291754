"""How a stage says that the candidate failed: the verdict's status and the sentence that goes with it."""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.task import Case
from harness.worker.doorbell import WorkerDied, WorkerOverdue


class Failed(Exception):
    """A candidate's fault, on its way to the verdict; judge.py turns it into one. Never used for a fault of ours."""

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@contextmanager
def deaths_are_verdicts(case: Case | None) -> Iterator[None]:
    """Turn the end of a worker into the candidate's failure, placed in its case; a hidden case shows only its kind."""
    place = "while it was loaded" if case is None else f"in case {case.name}"
    try:
        yield
    except WorkerDied as death:
        raise Failed("crashed", _hidden("ended", case) or f"{death} {place}") from death
    except WorkerOverdue as overdue:
        raise Failed("timed_out", _hidden("deadline", case) or f"deadline: {overdue} {place}") from overdue


def _hidden(end: str, case: Case | None) -> str:
    """What a hidden case tells: its kind. A candidate could spell the case out in its exit code, or in its signal."""
    return f"{end} in a hidden case: {case.kind}" if case and case.hidden else ""
