"""The data that a view on a terminal draws of a run that goes on."""

from dataclasses import dataclass
from pathlib import Path

from kernelsmith.core.history import History
from kernelsmith.core.run import Budget, Device
from kernelsmith.report.model import RunOutcome, outcome_of
from kernelsmith.report.model_attempt import AttemptRow, attempt_row

ROWS = 8
"""How many of the latest attempts are shown."""


@dataclass(frozen=True, slots=True)
class LiveReport:
    """A run at one moment: its names, budget, outcome so far and latest attempts."""

    run: str
    task: str
    """The task's name, without its folder's path."""
    proposer: str
    device: Device | None
    """What the run is measured on; None before the harness has opened the task."""
    budget: Budget
    outcome: RunOutcome
    latest: tuple[AttemptRow, ...]
    """The latest attempts, oldest first."""


def live_report(history: History) -> LiveReport:
    """Return what a view draws of the run that a history describes."""
    config = history.run.config
    return LiveReport(
        run=history.run.name,
        task=Path(config.task).name,
        proposer=config.proposer,
        device=history.device,
        budget=history.budget,
        outcome=outcome_of(history),
        latest=tuple(attempt_row(attempt, history.device_of(attempt)) for attempt in history.attempts[-ROWS:]),
    )
