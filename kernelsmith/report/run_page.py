"""A run as a page of text: what it came to, then a row for each attempt."""

from kernelsmith.core.run import Device, RunConfig
from kernelsmith.report import figures
from kernelsmith.report.model import RunDescription, RunReport
from kernelsmith.report.model_attempt import AttemptRow, peak_of
from kernelsmith.report.summary import outcome_rows
from kernelsmith.report.text import columns, one_line

HEADINGS = ("#", "from", "stance", "status", "of peak", "time", "what came of it")
SWEEP_HEADINGS = ("#", "ask", "trial", *HEADINGS[1:])
"""Of a run that has sweep trials: several attempts answer one ask."""


def run_text(report: RunReport, *, width: int | None = None) -> str:
    """Return the page; rows of attempts are cut to `width` columns where it is given."""
    run = report.run
    head = f"{run.name}\n{columns([row for row in _head_rows(run) if row[1]])}"
    if not report.attempts:
        return head
    if run.outcome.sweep_trials:
        return f"{head}\n\n{columns([SWEEP_HEADINGS, *map(_sweep_cells, report.attempts)], width=width)}"
    return f"{head}\n\n{columns([HEADINGS, *map(_cells, report.attempts)], width=width)}"


def _head_rows(run: RunDescription) -> list[tuple[str, str]]:
    return [
        ("status", run.status),
        ("task", one_line(f"{run.outcome.task}, proposed by {_proposer(run.config)}")),
        ("device", _device(run.device)),
        ("peak of", one_line(peak_of(run.device))),
        ("made by", one_line(f"kernelsmith {run.provenance.program}") if run.provenance.program else ""),
        *outcome_rows(run.outcome),
    ]


def _proposer(config: RunConfig) -> str:
    return f"{config.proposer} {config.model}" if config.model else config.proposer


def _device(device: Device | None) -> str:
    if device is None:
        return ""
    vendor = f", {device.vendor.name} {figures.percent(device.vendor.utilization)}" if device.vendor else ""
    peak = figures.rate(device.peak, device.unit)
    return one_line(f"{device.name}, peak {peak}{vendor}, sandbox level {device.isolation}")


def _sweep_cells(attempt: AttemptRow) -> tuple[str, ...]:
    number, *rest = _cells(attempt)
    return number, f"{attempt.ask}", f"{attempt.trial}", *rest


def _cells(attempt: AttemptRow) -> tuple[str, ...]:
    measured = attempt.verdict.measurement
    return (
        f"{attempt.number}",
        "" if attempt.parent is None else f"{attempt.parent}",
        attempt.stance,
        attempt.verdict.status,
        figures.percent(measured.utilization) if measured else "",
        figures.duration(measured.time_us) if measured else "",
        figures.reason(attempt.verdict),
    )
