"""An attempt in one line: what a log file of a run holds, and what a replay plays back."""

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History
from kernelsmith.report import figures


def attempt_line(attempt: Attempt, history: History | None) -> str:
    """`[7/60]  passed  refine  71.3 % of peak  97.0 % of OpenBLAS (Zen)  25.6 ms  new best: ...`.

    The history gives the denominators; without one they are left out.
    """
    verdict = attempt.verdict
    limit = history.budget.attempts if history else None
    words = [f"[{attempt.number}{f'/{limit}' if limit else ''}]", verdict.status, attempt.stance]
    if verdict.measurement:
        device = history.device_of(attempt) if history else None
        words += [f"{figures.percent(verdict.utilization)} of peak", figures.of_vendor(verdict.measurement, device)]
        words += [figures.duration(verdict.measurement.time_us)]
    return "  ".join([word for word in words if word] + [figures.reason(verdict)])
