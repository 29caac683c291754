"""Render as text what `judge` and `duel` find out: a verdict, one batch judged again, or a duel."""

from kernelsmith.report import figures
from kernelsmith.report.attempt_page import fact_rows, measurement_rows
from kernelsmith.report.model_attempt import known_facts, peak_of
from kernelsmith.report.model_checks import DuelReport, ReproductionReport, VerdictReport
from kernelsmith.report.telemetry import telemetry_rows
from kernelsmith.report.text import columns, one_line, printable


def verdict_text(report: VerdictReport) -> str:
    """Return a verdict as text: status and detail, the measured figures if it passed, then notes and build facts."""
    verdict = report.verdict
    head = f"{verdict.status}: {printable(verdict.detail)}" if verdict.detail else f"{verdict.status}"
    rows = _measured_rows(report) if verdict.passed else []
    rows += [("note", one_line(note)) for note in verdict.notes] + fact_rows(known_facts(verdict.facts))
    return "\n".join([head, columns(rows)] if rows else [head])


def reproduction_text(report: ReproductionReport) -> str:
    """Return the judge's sentence about a batch that ran again, without control characters."""
    return printable(report.detail)


def duel_text(report: DuelReport) -> str:
    """Return the faster candidate's name, or that no difference is proven, then the speedup with its interval."""
    duel = report.duel
    quads = f"{duel.quads} quads (a quad runs both in turn: A B B A)"
    figure = f"speed of {report.a} over {report.b}: {figures.speedup(duel)}, {quads}"
    names = {"a": report.a, "b": report.b}
    if report.faster is None:
        return f"no difference beyond {figures.percent(duel.MARGIN - 1)} at 95 %\n{figure}"
    return f"{names[report.faster]} is faster\n{figure}"


def _measured_rows(report: VerdictReport) -> list[tuple[str, str]]:
    """Return device, utilization, vendor ratio, time, number of batches and telemetry as rows of name and value."""
    verdict, device = report.verdict, report.device
    vendor = figures.of_vendor(verdict, device)
    measured = measurement_rows(verdict.measurement, vendor=vendor, peak_of=peak_of(device))
    batches = ("batches", str(len(verdict.batches)))
    return [("device", one_line(device.name)), *measured, batches, *telemetry_rows(report.telemetry)]
