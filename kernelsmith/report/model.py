"""The data model of a run: its description, its outcome and its attempts, as plain data that every renderer takes.

The modules named model_* hold the other reports. All of them build values and format nothing. Units stand in the names:
`_us` microseconds a call, `_s` seconds, `_usd` US dollars. A utilization is a fraction of the device's dense peak.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from kernelsmith.core import budget
from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History
from kernelsmith.core.kinds import MeasuringKind
from kernelsmith.core.run import Budget, Device, Event, EventKind, Provenance, RunConfig, RunStatus, StopReason
from kernelsmith.core.usage import Usage
from kernelsmith.core.verdict import Promotion
from kernelsmith.report.model_attempt import FLAT, AttemptRow, attempt_row

BEGINNINGS = (EventKind.STARTED, EventKind.RESUME)
ENDINGS = (EventKind.ENDED, EventKind.PAUSED, EventKind.EXHAUSTED)
STAIRS = 60
"""The most points that an outcome keeps of the incumbent's utilization over the attempts."""


@dataclass(frozen=True, slots=True)
class BestReport:
    """A run's best attempt with its source."""

    attempt: Annotated[AttemptRow, FLAT]
    source: str


@dataclass(frozen=True, slots=True)
class NewBest:
    """An attempt that became the incumbent."""

    number: int
    utilization: float | None
    by: Promotion


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What a run came to."""

    task: str
    ended: str
    """Why the run ended or paused, in words; `not yet` where it goes on."""
    limit: StopReason | None
    """The same for programs; None where the run goes on, or where its log is too old to hold it."""
    made: str
    """How many asks, attempts and sweep trials, in words."""
    asks: int
    """Asks that have an attempt."""
    attempts: int
    sweep_trials: int
    passed: int
    active_s: float
    cost_usd: float | None
    """None where a price is not known."""
    best: AttemptRow | None
    promotions: tuple[NewBest, ...]
    climb: tuple[float, ...]
    """The incumbent's utilization after each attempt, 0 before the first; at most 60 points of equal distance."""
    measured_on: MeasuringKind | None
    """Kind of the device; None before the harness has opened the task."""


@dataclass(frozen=True, slots=True)
class SummaryReport:
    """The outcome of a run under the run's name."""

    run: str
    outcome: Annotated[RunOutcome, FLAT]


@dataclass(frozen=True, slots=True)
class RunDescription:
    """What a run was asked to be, what made it, and what it came to."""

    name: str
    uuid: str
    status: RunStatus
    created_at: datetime
    task_digest: str
    config: RunConfig
    budget: Budget
    """The configured budget with every extension applied."""
    device: Device | None
    usage: Usage
    provenance: Provenance
    outcome: Annotated[RunOutcome, FLAT]


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run with all its attempts and events."""

    run: RunDescription
    attempts: tuple[AttemptRow, ...]
    events: tuple[Event, ...]


# --- builders ---


def run_report(history: History, status: RunStatus) -> RunReport:
    """Return the run with a row for every attempt."""
    run = history.run
    about = RunDescription(
        name=run.name,
        uuid=run.uuid,
        status=status,
        created_at=run.created_at,
        task_digest=history.task_digest,
        config=run.config,
        budget=history.budget,
        device=history.device,
        usage=history.usage,
        provenance=history.provenance,
        outcome=outcome_of(history),
    )
    attempts = tuple(attempt_row(attempt, history.device_of(attempt)) for attempt in history.attempts)
    return RunReport(about, attempts, tuple(history.events))


def summary_report(history: History) -> SummaryReport:
    """Return what the run came to."""
    return SummaryReport(history.run.name, outcome_of(history))


def best_report(history: History) -> BestReport | None:
    """Return the incumbent with its source; None where no attempt has passed."""
    best = history.incumbent
    if best is None or best.candidate is None:
        return None
    return BestReport(attempt_row(best, history.device_of(best)), best.candidate.source)


def outcome_of(history: History) -> RunOutcome:
    """Return what the run came to."""
    best, ending = history.incumbent, _ending(history)
    promoted = (attempt for attempt in history.attempts if attempt.verdict.promotion)
    return RunOutcome(
        task=history.run.config.task,
        ended=str(ending.data.get("reason", ending.kind)) if ending else "not yet",
        limit=_limit(ending),
        made=budget.made(history),
        asks=history.answered,
        attempts=len(history.attempts),
        sweep_trials=history.sweep_trials,
        passed=sum(attempt.verdict.passed for attempt in history.attempts),
        active_s=history.active_s,
        cost_usd=history.usage.cost_usd,
        best=attempt_row(best, history.device_of(best)) if best else None,
        promotions=tuple(_steps(promoted)),
        climb=climb(history.attempts),
        measured_on=history.device.kind if history.device else None,
    )


def climb(attempts: Sequence[Attempt], most: int = STAIRS) -> tuple[float, ...]:
    """Return the incumbent's utilization after each attempt, thinned to `most` points of equal distance.

    A duel decides, so an incumbent may have a lower utilization than the one before it.
    """
    best, steps = 0.0, []
    for attempt in attempts:
        best = (attempt.verdict.utilization or best) if attempt.verdict.promotion else best
        steps.append(best)
    if len(steps) <= most:
        return tuple(steps)
    return tuple(steps[(point + 1) * len(steps) // most - 1] for point in range(most))


def _steps(promoted: Iterable[Attempt]) -> Iterable[NewBest]:
    for attempt in promoted:
        assert attempt.verdict.promotion is not None
        yield NewBest(attempt.number, attempt.verdict.utilization, attempt.verdict.promotion)


def _ending(history: History) -> Event | None:
    """The event that ended or paused the run; None where the run goes on."""
    last = next((e for e in reversed(history.events) if e.kind in (*ENDINGS, *BEGINNINGS)), None)
    return last if last and last.kind in ENDINGS else None


def _limit(ending: Event | None) -> StopReason | None:
    limit = ending.data.get("limit") if ending else None
    return next((reason for reason in StopReason if reason == limit), None)
