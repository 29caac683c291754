"""The data model of a run while it goes on: what a view of a terminal draws."""

from dataclasses import dataclass
from pathlib import Path

from kernelsmith.core.history import History
from kernelsmith.core.run import Budget, Device
from kernelsmith.report.model import RunOutcome, outcome_of
from kernelsmith.report.model_attempt import AttemptRow, attempt_row

ROWS = 8
"""The most attempts that are shown."""


@dataclass(frozen=True, slots=True)
class LiveReport:
    """A run as it stands."""

    run: str
    task: str
    """The task's name, without its folder's path."""
    proposer: str
    device: Device | None
    budget: Budget
    outcome: RunOutcome
    latest: tuple[AttemptRow, ...]
    """The latest attempts, oldest first."""


def live_report(history: History) -> LiveReport:
    """Return the run as it stands."""
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
