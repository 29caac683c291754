"""The exception by which a stage ends a judgement because the candidate failed; it carries the verdict's status."""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.task import Case
from harness.worker import WorkerDied, WorkerOverdue


class CandidateFailed(Exception):
    """The candidate failed; judging/judge.py turns this exception into the verdict. Failures of the judge itself raise
    other exceptions.
    """

    def __init__(self, status: str, detail: str, *, revealed: str = "") -> None:
        super().__init__(detail)
        self.status = status
        """Status of the verdict, such as `incorrect`."""
        self.detail = detail
        """Sentence of the verdict that says what was wrong. Of a hidden case it says only the kind."""
        self.revealed = revealed or detail
        """The same sentence for the owner of the task: it names a hidden case and what went wrong in it."""


@contextmanager
def deaths_are_verdicts(case: Case | None) -> Iterator[None]:
    """Turn WorkerDied and WorkerOverdue from the `with` block into CandidateFailed with status `crashed` or
    `timed_out`. The detail names the case; `None` means that the candidate was being loaded.
    """
    place = "while it was loaded" if case is None else f"in case {case.name}"
    try:
        yield
    except WorkerDied as death:
        raise _failure("crashed", f"{death} {place}", end="ended", case=case) from death
    except WorkerOverdue as overdue:
        raise _failure("timed_out", f"deadline: {overdue} {place}", end="deadline", case=case) from overdue


def _failure(status: str, detail: str, *, end: str, case: Case | None) -> CandidateFailed:
    """Return the failure of a worker that ended or exceeded its deadline. In a hidden case the detail is `end`, such as
    `deadline`, and the kind of the case; only `revealed` holds the whole sentence.

    The detail leaves out an exit code or a signal, because a candidate could use it to carry information about the
    hidden case out of the worker.
    """
    if case is None or not case.hidden:
        return CandidateFailed(status, detail)
    return CandidateFailed(status, f"{end} in a hidden case: {case.kind}", revealed=f"{detail}, which is hidden")
