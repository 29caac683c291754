"""Formats an attempt as one line of text, for `kernelsmith replay` and for a run without a terminal."""

from kernelsmith.report import figures
from kernelsmith.report.model_attempt import AttemptRow


def attempt_line(attempt: AttemptRow, *, limit: int | None = None) -> str:
    """Return one line with number, status, stance (kind of step), figures and reason of an attempt. `limit` is the
    number of asks in the run's budget, or None. Example: `[7/60] passed refine 71.3 % of peak 97.0 % of OpenBLAS (Zen)
    25.6 ms new best: ...`.

    A line of a sweep trial, which tries other knob values of a proposal, begins `[84, ask 59/60, trial 3]`.
    """
    words = [_number(attempt, f"/{limit}" if limit else ""), attempt.verdict.status, attempt.stance]
    if attempt.verdict.measurement:
        words += [f"{figures.percent(attempt.verdict.measurement.utilization)} of peak", vendor_share(attempt)]
        words += [figures.duration(attempt.verdict.measurement.time_us)]
    return "  ".join([word for word in words if word] + [figures.reason(attempt.verdict)])


def vendor_share(attempt: AttemptRow) -> str:
    """Return in words the speed of an attempt's kernel relative to the vendor's library for the same task, `76.7 % of
    OpenBLAS (Haswell)`, or an empty string if that was not measured. The text ends with ` (disturbed)` if other work
    ran on the device during the measurement.
    """
    measured, is_disturbed = attempt.verdict.measurement, attempt.vendor_disturbed
    return figures.share_of_vendor(measured, vendor=attempt.vendor, is_disturbed=is_disturbed)


def _number(attempt: AttemptRow, limit: str) -> str:
    if attempt.number == attempt.ask and not attempt.trial:
        return f"[{attempt.number}{limit}]"
    return f"[{attempt.number}, ask {attempt.ask}{limit}{f', trial {attempt.trial}' if attempt.trial else ''}]"
