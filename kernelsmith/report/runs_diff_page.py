"""Formats the comparison of two runs as a page of text: settings, program versions, first difference, milestones, and
best attempts.
"""

from kernelsmith.report import figures
from kernelsmith.report.attempt_line import attempt_line
from kernelsmith.report.attempts_diff_page import cell, different_peaks, speed_text
from kernelsmith.report.model_divergence import Aspect, Divergence
from kernelsmith.report.model_runs_diff import DIGEST, ProvenanceDiff, RunsDiff
from kernelsmith.report.text import columns, entries, one_line, printable

SOURCE_LINES = 12
"""Lines that the page shows of a source diff, at most."""
Row = tuple[str, str, str]


def runs_diff_text(
    report: RunsDiff, *, options: str = "", program: str = "kernelsmith", width: int | None = None
) -> str:
    """Return the comparison of two runs as one string of several lines, from `report`. It suggests commands that begin
    with `program` (how the user calls this program) and end with `options`, such as ` --db FILE`. `width` is the number
    of characters into which tables and sentences must fit (None = no limit); source lines stay as they are.
    """
    settings = [(key, one_line(str(x)), one_line(str(y))) for key, (x, y) in report.configuration.items()]
    made = provenance_rows(report.provenance)
    names = report.a, report.b
    parts = [columns([("", *names), *settings], width=width) if settings else "the configurations are identical"]
    parts += [columns([("made with", *names), *made], width=width)] if made else []
    parts += [_first_difference(report, f"{program} diff", options=options, width=width)]
    parts += [_milestones(report, width), _bests(report, width)]
    return "\n\n".join(part for part in parts if part)


def provenance_rows(provenance: ProvenanceDiff) -> list[Row]:
    """Return a list of rows (name, value in run a, value in run b), all texts, one for each version, digest or timing
    rule that differs between two runs; empty if none does.
    """
    digests = {"harness digest": provenance.harness_digest, "templates digest": provenance.templates_digest}
    rows = [_row("program", *provenance.program)] if provenance.program else []
    rows += [_row(name, *(each[:DIGEST] for each in pair)) for name, pair in digests.items() if pair]
    return rows + [_row(f"timing policy {key}", x, y) for key, (x, y) in provenance.timing_policy.items()]


def _row(name: str, x: object, y: object) -> Row:
    """Return a table row of texts: `name`, the value of run a, the value of run b. A value that is empty or None,
    because an old log does not hold it, reads `not recorded`.
    """
    x, y = ("not recorded" if value in ("", None) else one_line(str(value)) for value in (x, y))
    return one_line(name), x, y


# --- the first difference ---


def _first_difference(report: RunsDiff, diff: str, *, options: str, width: int | None) -> str:
    difference = report.first_difference
    if difference is None and not report.same_attempts:
        return "no attempts to compare"
    if difference is None:
        count = figures.counted(report.same_attempts, "attempt")
        line = f"no difference in the first {count}: the same asks, candidates and statuses"
        return entries([(line,)], width=width)
    a, b = difference.attempts.a, difference.attempts.b
    changed, source = _changed_rows(difference), _source_lines(difference)
    parts = [entries([(_headline(report, difference),)], width=width)]
    parts += [columns([("", report.a, report.b), *changed], width=width)] if changed else []
    lines = attempt_line(a, limit=report.asks_limit.a), attempt_line(b, limit=report.asks_limit.b)
    parts += [entries(list(zip((f"{report.a}:", f"{report.b}:"), lines, strict=True)), width=width), *source]
    return "\n".join([*parts, f"both attempts in full: {diff} {report.a}:{a.number} {report.b}:{b.number}{options}"])


def _headline(report: RunsDiff, difference: Divergence) -> str:
    """Return one line that says where two runs first differ and in what: `first difference at ask 3: the candidate`.
    `difference` holds the first two attempts that differ, and `report` the names of the runs. If only the verdicts of
    these attempts differ, the line also says from which attempt on the candidates differ, or that they never do.
    """
    a, b = difference.attempts.a, difference.attempts.b
    where = f"ask {a.ask}" if a.ask == b.ask else f"ask {a.ask} of {report.a} and ask {b.ask} of {report.b}"
    aspects = f"the {' and the '.join(difference.aspects)}"
    if difference.aspects != (Aspect.VERDICT,):
        return f"first difference at {where}: {aspects}"
    since = report.first_divergence
    later = "the candidates never differ" if since is None else f"the candidates differ since attempt {since}"
    return f"first difference at {where}: the verdict only; {later}"


def _changed_rows(difference: Divergence) -> list[Row]:
    a, b = difference.attempts.a, difference.attempts.b
    rows: list[Row] = [("stance", a.stance, b.stance)] if Aspect.DIRECTIVE in difference.aspects else []
    if rows and a.asked != b.asked:
        rows.append(("reason", cell(a.asked or None), cell(b.asked or None)))
    if Aspect.PARENT in difference.aspects:
        rows.append(("parent", cell(a.parent), cell(b.parent)))
    knobs = difference.knobs if a.params and b.params else {}
    return rows + [(one_line(f"knob {name}"), cell(x), cell(y)) for name, (x, y) in knobs.items()]


def _source_lines(difference: Divergence) -> list[str]:
    """Return the first lines of the diff between the two sources as a list; if the diff is longer, a last line says how
    many lines are left out. The list is empty if both candidates have knob values (marked constants) and some differ,
    because the page shows these in a table.
    """
    if difference.attempts.a.params and difference.attempts.b.params and difference.knobs:
        return []
    lines = [printable(line) for line in difference.source[:SOURCE_LINES]]
    rest = len(difference.source) - len(lines)
    return [*lines, f"... {figures.counted(rest, 'more line')}"] if rest else lines


# --- milestones and best attempts ---


def _milestones(report: RunsDiff, width: int | None) -> str:
    rows = [
        (each.milestone, _when(each.a, each.a_active_s), _when(each.b, each.b_active_s)) for each in report.milestones
    ]
    return columns([("reached at attempt (working)", report.a, report.b), *rows], width=width) if rows else ""


def _when(number: int | None, active_s: float | None) -> str:
    """Return the cell of a milestone for one run: the number of the attempt that reached it and the working time until
    then, `14 (0:45)`. Return `never` if either argument is None, because the run did not reach it.
    """
    if number is None or active_s is None:
        return "never"
    return f"{number} ({figures.clock(active_s)})"


def _bests(report: RunsDiff, width: int | None) -> str:
    a, b = report.best.a, report.best.b
    if report.comparison is None or a is None or b is None:
        names = [name for name, best in ((report.a, a), (report.b, b)) if best is None]
        return f"no candidate has passed in {' and '.join(names)}"
    against = f"best against best, {report.b} over {report.a}: {speed_text(report.comparison)}"
    peaks = different_peaks(a, b)
    against += f"; peaks {peaks}" if peaks else ""
    lines = [
        (f"{report.a}:{a.number}", attempt_line(a, limit=report.asks_limit.a)),
        (f"{report.b}:{b.number}", attempt_line(b, limit=report.asks_limit.b)),
    ]
    return "\n".join([entries([(against,)], width=width), entries(lines, width=width)])
