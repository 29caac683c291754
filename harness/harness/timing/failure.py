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
    """Run the `with` block, in which a worker runs the candidate. A WorkerDied from it becomes CandidateFailed with
    status `crashed`, and a WorkerOverdue (deadline missed) one with status `timed_out`. The detail names `case`; None
    means that the worker was loading the candidate. Yields None.
    """
    place = "while it was loaded" if case is None else f"in case {case.name}"
    try:
        yield
    except WorkerDied as death:
        raise _failure("crashed", f"{death} {place}", end="ended", case=case) from death
    except WorkerOverdue as overdue:
        raise _failure("timed_out", f"deadline: {overdue} {place}", end="deadline", case=case) from overdue


def _failure(status: str, detail: str, *, end: str, case: Case | None) -> CandidateFailed:
    """Return (not raise) the CandidateFailed for a worker that ended or exceeded its deadline. `detail` is the whole
    sentence; in a hidden case the exception's detail is only the short text `end`, such as `deadline`, with the kind of
    the case, and the field `revealed` holds the whole sentence.

    The detail leaves out an exit code or a signal, because a candidate could use it to carry information about the
    hidden case out of the worker.
    """
    if case is None or not case.hidden:
        return CandidateFailed(status, detail)
    return CandidateFailed(status, f"{end} in a hidden case: {case.kind}", revealed=f"{detail}, which is hidden")
