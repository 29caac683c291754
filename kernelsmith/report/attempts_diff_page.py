"""Formats the comparison of two attempts as a page of text: figures, differences, then a diff of the sources."""

from typing import Any

from kernelsmith.core import caps
from kernelsmith.report import figures
from kernelsmith.report.attempt_line import vendor_share
from kernelsmith.report.model_attempt import AttemptRow
from kernelsmith.report.model_diff import AttemptsDiff, TimesComparison
from kernelsmith.report.text import columns, entries, one_line, printable


def attempts_diff_text(
    report: AttemptsDiff, *, options: str = "", program: str = "kernelsmith", width: int | None = None
) -> str:
    """Return the comparison of two attempts as one string of several lines, from `report`. It ends with a command that
    the user may run next: `program`, which is how the user calls this program, the command, and `options`, such as `
    --db FILE`. `width` is the number of characters to which table cells are shortened and sentences wrapped (None = not
    at all).
    """
    rows = [("", report.a.name, report.b.name), *_outcome_rows(report), *_changed_rows(report)]
    sentence = _sentence(report, f"{program} duel", options=options, width=width)
    return "\n\n".join([columns(rows, width=width), sentence, _source(report)])


def speed_text(comparison: TimesComparison) -> str:
    """Return in words how many times as fast attempt b is as attempt a, and whether the 95 % intervals of their times
    overlap. `comparison` holds the ratio of both times, as `compared` in model_diff.py makes it.
    """
    overlap = "overlap" if comparison.intervals_overlap else "do not overlap"
    return f"{comparison.speedup:.2f}x the speed; the 95 % intervals {overlap}"


def different_peaks(a: AttemptRow, b: AttemptRow) -> str:
    """Return the device peaks of two attempts as one text, `1979 TFLOP/s fp8 and 989.5 TFLOP/s fp8`, because
    utilizations of different peaks cannot be compared. Return an empty string if both peaks read the same or one
    attempt was not measured.
    """
    x, y = a.verdict.measurement, b.verdict.measurement
    if x is None or y is None:
        return ""
    peaks = figures.rate(x.peak, x.unit), figures.rate(y.peak, y.unit)
    return "" if peaks[0] == peaks[1] else " and ".join(peaks)


def cell(value: Any) -> str:
    """Return the text of a table cell for `value`, on one line: `-` for None, the parts of a list joined by ` | `, and
    `str(value)` for any other value.
    """
    if value is None:
        return "-"
    return one_line(" | ".join(map(str, value)) if isinstance(value, tuple | list) else str(value))


def _outcome_rows(report: AttemptsDiff) -> list[tuple[str, ...]]:
    a, b = (_outcome_cells(side.attempt) for side in (report.a, report.b))
    rows = zip(("status", "stance", "of peak", "vendor", "time/call", "95 % interval"), a, b, strict=True)
    return [row for row in rows if row[1] or row[2]]


def _outcome_cells(attempt: AttemptRow) -> tuple[str, ...]:
    measured = attempt.verdict.measurement
    if measured is None:
        return attempt.verdict.status, attempt.stance, "", "", "", ""
    shares = figures.percent(measured.utilization), vendor_share(attempt)
    times = figures.duration(measured.time_us), figures.bounds(measured)
    return attempt.verdict.status, attempt.stance, *shares, *times


def _changed_rows(report: AttemptsDiff) -> list[tuple[str, ...]]:
    changed = [*report.parameters.items(), *report.facts.items()]
    return [(one_line(name, caps.QUOTED), cell(x), cell(y)) for name, (x, y) in changed]


def _sentence(report: AttemptsDiff, duel: str, *, options: str, width: int | None) -> str:
    """Return in words the ratio of both attempts' times, and on a second line the command that measures both again:
    `duel` (the program's name and the word `duel`), the task, both attempts and `options`, such as ` --db FILE`. If an
    attempt has no time, return its status and the reason. Lines are wrapped to `width` characters; None does not wrap.
    """
    a, b, comparison = report.a, report.b, report.measurement
    if comparison is None:
        failed = a if a.attempt.verdict.measurement is None else b
        line = f"{failed.name} is {failed.attempt.verdict.status}: {one_line(failed.attempt.verdict.detail)}"
        return entries([(line,)], width=width)
    words = f"{b.name} against {a.name}: {speed_text(comparison)}"
    peaks = different_peaks(a.attempt, b.attempt)
    words += f"; measured against different peaks, {peaks}" if peaks else ""
    command = f"{duel} {report.task} {a.name} {b.name}{options}"
    return f"{entries([(words,)], width=width)}\nmeasure both on this machine: {command}"


def _source(report: AttemptsDiff) -> str:
    if report.source:
        return printable("\n".join(report.source))
    return "the sources are identical" if report.same_source else "the sources differ in the ends of lines only"
