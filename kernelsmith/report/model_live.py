"""Builds the data that a view on a terminal draws of a run that goes on."""

from dataclasses import dataclass
from pathlib import Path

from kernelsmith.core.history import History
from kernelsmith.core.run import Budget, Device
from kernelsmith.report.model import RunOutcome, outcome_of
from kernelsmith.report.model_attempt import AttemptRow, attempt_row

ROWS = 8
"""Number of the latest attempts that the view shows."""


@dataclass(frozen=True, slots=True)
class LiveReport:
    """A run at one moment, as the live view draws it on a terminal: the names of run, task and proposer, the device,
    the budget, the outcome so far and the latest attempts. `live_report` makes it.
    """

    run: str
    task: str
    """The task's name, without its folder's path."""
    proposer: str
    device: Device | None
    """Device that the run is measured on; None before the harness has opened the task."""
    budget: Budget
    outcome: RunOutcome
    latest: tuple[AttemptRow, ...]
    """The latest attempts, oldest first."""


def live_report(history: History) -> LiveReport:
    """Return what the live view draws of a run: names, device, budget, outcome so far, and the latest 8 attempts,
    oldest first. `history` is everything that the log holds of the run at this moment.
    """
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
