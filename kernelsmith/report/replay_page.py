"""Formats a replay, in which recorded candidates were judged again, as a page of text: recorded figures, figures now,
and their ratio.
"""

from kernelsmith.core.run import Device
from kernelsmith.report import figures
from kernelsmith.report.model_attempt import AttemptRow
from kernelsmith.report.model_replay import Repeated, ReplayReport
from kernelsmith.report.text import columns, entries, one_line

HEADINGS = ("#", "recorded", "time/call", "now", "time/call", "speed now / then", "result")


def replay_text(report: ReplayReport, *, width: int | None = None) -> str:
    """Return a replay as one string of several lines: the recorded device and the present one, then a table with one
    row for each candidate that was judged again. `width` is the number of characters to which the longest cells are
    shortened so that each line fits; None shortens nothing.
    """
    devices = entries(
        [("recorded on", _device(report.recorded_device)), ("now on", _device(report.now_device))], width=width
    )
    return f"{devices}\n\n{columns([HEADINGS, *map(_cells, report.attempts)], width=width)}"


def _cells(repeated: Repeated) -> tuple[str, ...]:
    now, speedup = repeated.now, repeated.speedup
    reason = "" if now.verdict.measurement else one_line(now.verdict.detail)
    ratio = f"{speedup:.3f}" if speedup else ""
    return f"{repeated.number}", *_figures(repeated.recorded), *_figures(now), ratio, reason


def _figures(attempt: AttemptRow) -> tuple[str, str]:
    """Return the two cells of an attempt in the table of a replay: its utilization and its time per call, or its status
    and an empty text if it was not measured.
    """
    if attempt.verdict.measurement is None:
        return attempt.verdict.status, ""
    return figures.percent(attempt.verdict.measurement.utilization), figures.interval(attempt.verdict.measurement)


def _device(device: Device | None) -> str:
    return one_line(f"{device.name}, peak {figures.rate(device.peak, device.unit)}") if device else "unknown"
