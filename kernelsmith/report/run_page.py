"""A run: its summary and a line for every attempt; as plain data, and as a page of text."""

from dataclasses import asdict
from typing import Any

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History
from kernelsmith.core.run import Event, RunStatus
from kernelsmith.report import figures
from kernelsmith.report.attempt_page import attempt_data
from kernelsmith.report.summary import rows_of, summary
from kernelsmith.report.text import columns, one_line

HEADINGS = ("#", "from", "stance", "status", "of peak", "time", "what came of it")


def run_data(history: History, status: RunStatus) -> dict[str, Any]:
    """`{run: {...}, attempts: [...], events: [...]}`; utilizations are fractions of peak."""
    run = history.run
    told = summary(history)
    about = {
        "name": run.name,
        "status": status,
        "created_at": run.created_at,
        "task_digest": history.task_digest,
        "config": asdict(run.config),
        "budget": asdict(history.budget),
        "device": asdict(history.device) if history.device else None,
        "usage": asdict(history.usage),
        **{key: told[key] for key in ("task", "ended", "active_s", "best", "promotions")},
    }
    attempts = [attempt_data(attempt) for attempt in history.attempts]
    return {"run": about, "attempts": attempts, "events": [_event_data(event) for event in history.events]}


def _event_data(event: Event) -> dict[str, Any]:
    # Not asdict, which copies deeply: a long run has thousands.
    return {"kind": event.kind, "at": event.at, "ask_number": event.ask_number, "data": event.data}


def run_page(history: History, status: RunStatus, *, width: int | None = None) -> str:
    """The run for a reader: what it came to, then a row for each attempt."""
    rows = [
        ("task", one_line(f"{history.run.config.task}, proposed by {_proposer(history)}")),
        ("device", _device(history)),
        ("peak of", one_line(figures.sku(history.device))),
    ]
    head = columns([row for row in [("status", status), *rows, *rows_of(history)] if row[1]])
    if not history.attempts:
        return f"{history.run.name}\n{head}"
    table = columns([HEADINGS, *(_row(attempt) for attempt in history.attempts)], width=width)
    return f"{history.run.name}\n{head}\n\n{table}"


def _proposer(history: History) -> str:
    config = history.run.config
    return f"{config.proposer} {config.model}" if config.model else config.proposer


def _device(history: History) -> str:
    device = history.device
    if device is None:
        return ""
    vendor = f", {device.vendor.name} {figures.percent(device.vendor.utilization)}" if device.vendor else ""
    return one_line(
        f"{device.name}, peak {figures.rate(device.peak, device.unit)}{vendor}, sandbox level {device.isolation}"
    )


def _row(attempt: Attempt) -> tuple[str, ...]:
    verdict, parent = attempt.verdict, attempt.proposal.parent
    return (
        f"{attempt.number}",
        "" if parent is None else f"{parent}",
        attempt.stance,
        verdict.status,
        figures.percent(verdict.utilization),
        figures.duration(verdict.measurement.time_us) if verdict.measurement else "",
        figures.reason(verdict),
    )
