"""Render as text what `judge` and `duel` found: a verdict, one batch that was judged again, or a duel."""

from kernelsmith.report import figures
from kernelsmith.report.attempt_page import fact_rows, measurement_rows
from kernelsmith.report.model_attempt import known_facts, peak_of
from kernelsmith.report.model_checks import DuelReport, ReproductionReport, VerdictReport
from kernelsmith.report.telemetry import telemetry_rows
from kernelsmith.report.text import columns, one_line, printable


def verdict_text(report: VerdictReport) -> str:
    """Return a verdict as a string of several lines: status and its reason, the measured figures if the candidate
    passed, then notes and facts of the build such as registers. `report` is the verdict with its device, as
    `verdict_report` makes it.
    """
    verdict = report.verdict
    head = f"{verdict.status}: {printable(verdict.detail)}" if verdict.detail else f"{verdict.status}"
    rows = _measured_rows(report) if verdict.passed else []
    rows += [("note", one_line(note)) for note in verdict.notes] + fact_rows(known_facts(verdict.facts))
    return "\n".join([head, columns(rows)] if rows else [head])


def reproduction_text(report: ReproductionReport) -> str:
    """Return the sentence in `report.detail`: what was wrong, or that all outputs are right, after a candidate ran
    again on the inputs of one recorded batch. Control characters become visible escape sequences, so that the text is
    safe on a terminal.
    """
    return printable(report.detail)


def duel_text(report: DuelReport) -> str:
    """Return the outcome of a duel as a string of two lines: the name of the faster candidate, or that no difference is
    proven; then the speedup of the first over the second candidate with its 95 % interval, and the number of quads (a
    quad runs both in turn, A B B A). `report` is made by `duel_report`.
    """
    duel = report.duel
    quads = f"{duel.quads} quads (a quad runs both in turn: A B B A)"
    figure = f"speed of {report.a} over {report.b}: {figures.speedup(duel)}, {quads}"
    names = {"a": report.a, "b": report.b}
    if report.faster is None:
        return f"no difference beyond {figures.percent(duel.MARGIN - 1)} at 95 %\n{figure}"
    return f"{names[report.faster]} is faster\n{figure}"


def _measured_rows(report: VerdictReport) -> list[tuple[str, str]]:
    """Return a list of pairs (name, value in words) with the figures of a verdict that passed: device, utilization,
    speed relative to the vendor's library, time per call, number of timed batches, and the medians of the GPU's
    readings.
    """
    verdict, device = report.verdict, report.device
    vendor = figures.of_vendor(verdict, device)
    measured = measurement_rows(verdict.measurement, vendor=vendor, peak_of=peak_of(device))
    batches = ("batches", str(len(verdict.batches)))
    return [("device", one_line(device.name)), *measured, batches, *telemetry_rows(report.telemetry)]
