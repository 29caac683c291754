"""Formats a run as a page of text: its outcome, then a table with one row for each attempt."""

from kernelsmith.core.run import Device, RunConfig
from kernelsmith.report import figures
from kernelsmith.report.attempts_table import RUN_HEADINGS, SWEEP_HEADINGS, attempts_table
from kernelsmith.report.model import RunDescription, RunReport
from kernelsmith.report.model_attempt import peak_of
from kernelsmith.report.summary import outcome_rows
from kernelsmith.report.text import columns, entries, one_line


def run_text(report: RunReport, *, width: int | None = None) -> str:
    """Return a run as one string of several lines: its outcome, and a table of its attempts if there are any. `report`
    holds the run as `run_report` makes it. `width` is the number of characters in a line: the outcome is wrapped to it,
    and the longest cells are shortened (None = neither).
    """
    run = report.run
    head = [row for row in _head_rows(run, width) if any(row)]
    parts = [f"{run.name}\n{entries(head, width=width)}"]
    if report.attempts:
        headings = SWEEP_HEADINGS if run.outcome.sweep_trials else RUN_HEADINGS
        parts.append(columns(attempts_table(report.attempts, headings), width=width))
    return "\n\n".join(parts)


def _head_rows(run: RunDescription, width: int | None) -> list[tuple[str, str]]:
    rows = [
        ("status", run.status),
        ("task", one_line(f"{run.outcome.task}, proposed by {_proposer(run.config)}")),
        ("device", _device(run.device)),
        ("peak of", one_line(peak_of(run.device))),
        ("made by", one_line(f"kernelsmith {run.provenance.program}") if run.provenance.program else ""),
    ]
    return [row for row in rows if row[1]] + outcome_rows(run.outcome, width=width)


def _proposer(config: RunConfig) -> str:
    return f"{config.proposer} {config.model}" if config.model else config.proposer


def _device(device: Device | None) -> str:
    if device is None:
        return ""
    vendor = f", {device.vendor.name} {figures.percent(device.vendor.utilization)}" if device.vendor else ""
    peak = figures.rate(device.peak, device.unit)
    return one_line(f"{device.name}, peak {peak}{vendor}, sandbox level {device.isolation} of 3")
