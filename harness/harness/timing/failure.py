"""The exception by which a stage ends a judgement because the candidate failed; it carries the verdict's status."""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.task import Case
from harness.worker import WorkerDied, WorkerOverdue


class CandidateFailed(Exception):
    """The candidate failed; judging/judge.py turns this exception into the verdict. Failures of the judge itself raise
    other exceptions.
    """

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        """Status of the verdict, such as `incorrect`."""
        self.detail = detail
        """Sentence of the verdict that says what was wrong."""


@contextmanager
def deaths_are_verdicts(case: Case | None) -> Iterator[None]:
    """Turn WorkerDied and WorkerOverdue from the `with` block into CandidateFailed with status `crashed` or
    `timed_out`. The detail names the case; `None` means that the candidate was being loaded.
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
    """Return the detail of a failure in a hidden case: `end`, such as `deadline`, and the kind of the case. Return an
    empty string for any other case.

    An exit code or a signal is left out, because a candidate could use it to carry information about the case out of
    the worker.
    """
    return f"{end} in a hidden case: {case.kind}" if case and case.hidden else ""
