"""Two runs side by side as a page of text: settings, provenance, divergence, milestones, best against best."""

from kernelsmith.report import figures
from kernelsmith.report.attempt_line import attempt_line
from kernelsmith.report.attempts_diff_page import different_peaks, speed_text
from kernelsmith.report.model_diff import DIGEST, ProvenanceDiff, RunsDiff
from kernelsmith.report.text import columns, one_line

Row = tuple[str, str, str]


def runs_diff_text(report: RunsDiff) -> str:
    """Return the page."""
    settings = [(key, one_line(str(x)), one_line(str(y))) for key, (x, y) in report.configuration.items()]
    made = provenance_rows(report.provenance)
    parts = [columns([("", report.a, report.b), *settings]) if settings else "the configurations are identical"]
    parts += [columns([("made with", report.a, report.b), *made])] if made else []
    parts += [_divergence(report), _milestones(report), _bests(report)]
    return "\n\n".join(part for part in parts if part)


def provenance_rows(provenance: ProvenanceDiff) -> list[Row]:
    """Return a row for each version, digest and key of the timing policy that differs."""
    digests = {"harness digest": provenance.harness_digest, "templates digest": provenance.templates_digest}
    rows = [_row("program", *provenance.program)] if provenance.program else []
    rows += [_row(name, *(each[:DIGEST] for each in pair)) for name, pair in digests.items() if pair]
    return rows + [_row(f"timing policy {key}", x, y) for key, (x, y) in provenance.timing_policy.items()]


def _row(name: str, x: object, y: object) -> Row:
    """A fact of provenance in each run; an old log does not hold every one."""
    x, y = ("not recorded" if value in ("", None) else one_line(str(value)) for value in (x, y))
    return one_line(name), x, y


def _divergence(report: RunsDiff) -> str:
    if report.diverging is None:
        return f"the same candidates in the first {figures.counted(report.same_attempts, 'attempt')}"
    lines = [
        f"{report.a}: {attempt_line(report.diverging.a, limit=report.asks_limit.a)}",
        f"{report.b}: {attempt_line(report.diverging.b, limit=report.asks_limit.b)}",
    ]
    return "\n".join([f"first divergence at attempt {report.first_divergence}", *lines])


def _milestones(report: RunsDiff) -> str:
    rows = [
        (each.milestone, _when(each.a, each.a_active_s), _when(each.b, each.b_active_s)) for each in report.milestones
    ]
    return columns([("reached at", report.a, report.b), *rows]) if rows else ""


def _when(number: int | None, active_s: float | None) -> str:
    """`attempt 14, after 0:45`."""
    return "never" if number is None or active_s is None else f"attempt {number}, after {figures.clock(active_s)}"


def _bests(report: RunsDiff) -> str:
    a, b = report.best.a, report.best.b
    if report.comparison is None or a is None or b is None:
        names = [name for name, best in ((report.a, a), (report.b, b)) if best is None]
        return f"no candidate has passed in {' and '.join(names)}"
    against = f"best against best, {report.b} over {report.a}: {speed_text(report.comparison)}"
    peaks = different_peaks(a, b)
    against += f"; peaks {peaks}" if peaks else ""
    lines = [
        f"{report.a}:{a.number}  {attempt_line(a, limit=report.asks_limit.a)}",
        f"{report.b}:{b.number}  {attempt_line(b, limit=report.asks_limit.b)}",
    ]
    return "\n".join([against, *lines])
