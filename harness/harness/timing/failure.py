"""The exception that ends a judgement because the candidate failed, and the conversion of a worker's death into it."""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.task import Case
from harness.worker import WorkerDied, WorkerOverdue


class CandidateFailed(Exception):
    """Exception: the candidate failed. It holds the verdict's `status`, such as `incorrect` or `crashed`, and `detail`,
    a sentence that says what was wrong. Stages raise it, and judging/judge.py turns it into the verdict; faults of the
    judge itself are other exceptions.
    """

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        """Status of the verdict, such as `incorrect`."""
        self.detail = detail
        """Sentence of the verdict that says what was wrong."""


@contextmanager
def deaths_are_verdicts(case: Case | None) -> Iterator[None]:
    """Run the `with` block; a WorkerDied from it becomes CandidateFailed with status `crashed`, and a WorkerOverdue
    (deadline missed) one with status `timed_out`. The detail names `case`; None means that the worker was loading the
    candidate. Yields None.
    """
    place = "while it was loaded" if case is None else f"in case {case.name}"
    try:
        yield
    except WorkerDied as death:
        raise CandidateFailed("crashed", _hidden_detail("ended", case) or f"{death} {place}") from death
    except WorkerOverdue as overdue:
        raise CandidateFailed(
            "timed_out", _hidden_detail("deadline", case) or f"deadline: {overdue} {place}"
        ) from overdue


def _hidden_detail(end: str, case: Case | None) -> str:
    """Return the detail of a failure in a hidden case: `end` (`ended` or `deadline`) and the kind of the case, and no
    more, because the details of hidden cases are secret. Return an empty string for another case or None.

    An exit code or a signal is left out, because a candidate could use it to carry information about the case out of
    the worker.
    """
    return f"{end} in a hidden case: {case.kind}" if case and case.hidden else ""
