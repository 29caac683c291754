"""Formats one attempt as a page of text: figures with their units and peaks, facts of the build, then the source."""

from collections.abc import Mapping, Sequence

from kernelsmith.core import caps
from kernelsmith.core.verdict import Batch, Measurement
from kernelsmith.report import figures
from kernelsmith.report.attempt_line import vendor_share
from kernelsmith.report.exchanges_page import call_line
from kernelsmith.report.model_attempt import AttemptReport, AttemptRow, known_facts
from kernelsmith.report.telemetry import telemetry_rows
from kernelsmith.report.text import entries, one_line, printable

Row = tuple[str, str]


def attempt_text(report: AttemptReport, *, width: int | None = None) -> str:
    """Return one attempt as one string of several lines: verdict, figures, facts of the build, and the source if there
    is a candidate. `report` holds all that the log knows of the attempt. `width` is the number of characters to which
    rows of figures are wrapped (None = not at all); the verdict's detail and the source keep their lines.
    """
    attempt = report.attempt
    head = f"{report.run}:{attempt.number}  {attempt.verdict.status}"
    detail = printable(caps.cut(attempt.verdict.detail, caps.TEXT))
    parts = [head, detail, entries([row for row in _rows(report) if row[1]], width=width)]
    if report.source is not None and attempt.digest is not None:
        parts += [f"source, {attempt.digest[:12]}", printable(report.source)]
    return "\n\n".join(part for part in parts if part)


def _rows(report: AttemptReport) -> list[Row]:
    attempt = report.attempt
    rows = [("asked", _asked(attempt)), ("by", _origin(attempt)), ("hypothesis", one_line(attempt.hypothesis))]
    rows += measurement_rows(attempt.verdict.measurement, vendor=vendor_share(attempt), peak_of=report.peak_of)
    rows += [("duel", _duel(attempt)), ("batches", _batches(report.batches)), *telemetry_rows(report.telemetry)]
    rows += [("note", one_line(note)) for note in attempt.verdict.notes]
    rows += fact_rows(known_facts(attempt.verdict.facts))
    rows += [("model call", call_line(exchange)) for exchange in report.exchanges]
    return [*rows, ("took", _durations(attempt)), ("guards took", _guards(attempt))]


def measurement_rows(measurement: Measurement | None, *, vendor: str, peak_of: str) -> list[Row]:
    """Return a measurement's utilization (fraction of the device's peak), speed relative to the vendor's library and
    times as a list of pairs (name, value in words); empty if `measurement` is None. `vendor` is that relative speed in
    words, such as `76.7 % of OpenBLAS (Zen)`, and `peak_of` the product whose peak was looked up; an empty one gives no
    row.
    """
    if measurement is None:
        return []
    rate, peak = (figures.rate(each, measurement.unit) for each in (measurement.rate, measurement.peak))
    at_clock, single_us = measurement.utilization_at_clock, measurement.single_us
    rows = [
        ("of peak", f"{figures.percent(measurement.utilization)} of {peak}"),
        ("peak of", one_line(peak_of)),
        ("vendor", vendor),
        ("time/call", figures.interval(measurement)),
        ("rate", rate),
        ("single call", figures.duration(single_us) if single_us else ""),
        ("back to back", _back_to_back(measurement)),
        ("at its clock", f"{figures.percent(at_clock)} of what the sampled clock allows" if at_clock else ""),
    ]
    return [row for row in rows if row[1]]


def fact_rows(facts: Mapping[str, object]) -> list[Row]:
    """Return facts of a build as a list of pairs (name, value in words). `facts` maps names such as `registers` to
    their values. A fact that lists several texts, such as compiler warnings, has one pair for each text.
    """
    rows: list[Row] = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            rows.append((name, one_line(", ".join(f"{kind} {count}" for kind, count in sorted(value.items())))))
        elif isinstance(value, tuple):
            rows += [(name.removesuffix("s"), one_line(each)) for each in value]
        else:
            rows.append((name.replace("_", " "), f"{value}"))
    return rows


def _asked(attempt: AttemptRow) -> str:
    trial = f", trial {attempt.trial}" if attempt.trial else ""
    reason = f": {attempt.asked}" if attempt.asked else ""
    return one_line(f"ask {attempt.ask}{trial}, {attempt.stance}{reason}")


def _origin(attempt: AttemptRow) -> str:
    words = [attempt.origin] + ([f"from attempt {attempt.parent}"] if attempt.parent is not None else [])
    params = ", ".join(f"{name} {value}" for name, value in attempt.params.items())
    return one_line(": ".join(part for part in (" ".join(words), params) if part))


def _back_to_back(measurement: Measurement) -> str:
    """Return in words the time per call and the utilization of calls that follow each other without idle gaps. They are
    shown for information and never count as the score. The string is empty if they were not measured.
    """
    if not measurement.sustained_us:
        return ""
    utilization = measurement.utilization * measurement.time_us / measurement.sustained_us
    return f"{figures.duration(measurement.sustained_us)}, {figures.percent(utilization)} of peak"


def _duel(attempt: AttemptRow) -> str:
    if attempt.verdict.duel is None:
        return ""
    won = "won" if attempt.verdict.promotion else "not won"
    return f"{won}, {figures.speedup(attempt.verdict.duel)} in {attempt.verdict.duel.quads} quads (A B B A)"


def _batches(batches: Sequence[Batch]) -> str:
    if not batches:
        return ""
    least, most = min(batch.calls for batch in batches), max(batch.calls for batch in batches)
    calls = figures.counted(least, "call") if least == most else f"{least} to {most} calls"
    return f"{len(batches)}, of {calls} each"


def _durations(attempt: AttemptRow) -> str:
    stages = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in attempt.verdict.durations_s.items() if seconds)
    return f"{attempt.seconds:.1f} s" + (f": {stages}" if stages else "")


def _guards(attempt: AttemptRow) -> str:
    """Return in words how long the judge's guards against cheating took: their percentage of the time from the start of
    the build to the verdict, and the seconds of each guard. Return an empty string if the attempt holds no such times.
    """
    guards_s, judged_s = attempt.verdict.guards_s, sum(attempt.verdict.durations_s.values())
    if not guards_s or not judged_s:
        return ""
    each = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in sorted(guards_s.items(), key=lambda item: -item[1]))
    return f"{sum(guards_s.values()) / judged_s:.1%} of build to verdict, for checks against cheating: {each}"
