"""Builds the report of a run as dataclasses for text and JSON: its description, its outcome and its attempts.

The other modules whose names begin with `model_` build the other reports; none of them formats anything. Names end
with their units: `_us` is microseconds per call, `_s` seconds, `_usd` US dollars. A utilization is a fraction of the
device's dense peak.
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
"""The largest number of points that `RunOutcome.climb` holds."""


@dataclass(frozen=True, slots=True)
class BestReport:
    """The best attempt of a run and the source text of its candidate. `best_report` makes it for `kernelsmith best`."""

    attempt: Annotated[AttemptRow, FLAT]
    source: str


@dataclass(frozen=True, slots=True)
class NewBest:
    """One promotion of a run, which makes an attempt the best so far: the attempt's number, its utilization, and the
    rule that it met (the first that passed, clearly faster, or a duel won).
    """

    number: int
    utilization: float | None
    by: Promotion


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """The outcome of a run so far: why it ended, the asks, attempts, time and money that it spent, its best attempt,
    and its promotions (each attempt that became the best). `outcome_of` makes it.
    """

    task: str
    ended: str
    """Reason why the run ended or paused, in words; `not yet` if it goes on."""
    limit: StopReason | None
    """The limit that ended or paused the run; None if the run goes on, or if its log is too old to hold the limit."""
    made: str
    """Numbers of asks, attempts and sweep trials in words: `60 asks, 84 attempts (24 sweep trials)`."""
    asks: int
    """Number of asks that have at least one attempt."""
    attempts: int
    sweep_trials: int
    passed: int
    active_s: float
    """Time spent on attempts, in seconds, summed over all sessions of the run."""
    elapsed_s: float | None
    """Time from the run's start to its latest end or pause, in seconds; None if the run goes on."""
    cost_usd: float | None
    """Cost of all model calls; None if the price of one is not known."""
    best: AttemptRow | None
    promotions: tuple[NewBest, ...]
    climb: tuple[float, ...]
    """The incumbent's utilization after each attempt, 0 before the first one; at most 60 equally spaced points."""
    measured_on: MeasuringKind | None
    """Kind of the device; None if the harness has not opened the task yet."""


@dataclass(frozen=True, slots=True)
class SummaryReport:
    """The name of a run with its outcome, which the program prints when the run ends. `summary_report` makes it."""

    run: str
    outcome: Annotated[RunOutcome, FLAT]


@dataclass(frozen=True, slots=True)
class RunDescription:
    """The settings of a run, its device, the versions of the programs that made it, and its outcome. It is the part of
    a RunReport without attempts and events.
    """

    name: str
    uuid: str
    status: RunStatus
    created_at: datetime
    task_digest: str
    config: RunConfig
    budget: Budget
    """The configured budget with every extension by `resume` applied."""
    device: Device | None
    usage: Usage
    provenance: Provenance
    outcome: Annotated[RunOutcome, FLAT]


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run in full: its description, one row for each attempt, and all its events. `run_report` makes it for
    `kernelsmith show`.
    """

    run: RunDescription
    attempts: tuple[AttemptRow, ...]
    events: tuple[Event, ...]


# --- builders ---


def run_report(history: History, status: RunStatus) -> RunReport:
    """Return the report of a whole run: description, attempts and events. `history` is everything that the log holds of
    the run, and `status` its status there, such as running or ended.
    """
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
    """Return the run's name with its outcome: why it ended, what it spent in asks, time and money, and its best
    attempt. `history` is everything that the log holds of the run.
    """
    return SummaryReport(history.run.name, outcome_of(history))


def best_report(history: History) -> BestReport | None:
    """Return the run's best attempt with its source text, or None if no attempt has passed. `history` is everything
    that the log holds of the run.
    """
    best = history.incumbent
    if best is None or best.candidate is None:
        return None
    return BestReport(attempt_row(best, history.device_of(best)), best.candidate.source)


def outcome_of(history: History) -> RunOutcome:
    """Return why a run ended (or that it goes on), what it spent in asks, time and money, its best attempt, and its
    promotions (each attempt that became the best). `history` is everything that the log holds of the run.
    """
    best, ending = history.incumbent, _ending(history)
    promoted = (attempt for attempt in history.attempts if attempt.verdict.promotion)
    return RunOutcome(
        task=history.run.config.task,
        ended=str(ending.data.get("reason", ending.kind)) if ending else "not yet",
        limit=_limit(ending),
        made=budget.counts_in_words(history),
        asks=history.answered,
        attempts=len(history.attempts),
        sweep_trials=history.sweep_trials,
        passed=sum(attempt.verdict.passed for attempt in history.attempts),
        active_s=history.active_s,
        elapsed_s=max((ending.at - history.run.created_at).total_seconds(), 0.0) if ending else None,
        cost_usd=history.usage.cost_usd,
        best=attempt_row(best, history.device_of(best)) if best else None,
        promotions=tuple(_steps(promoted)),
        climb=climb(history.attempts),
        measured_on=history.device.kind if history.device else None,
    )


def climb(attempts: Sequence[Attempt], most: int = STAIRS) -> tuple[float, ...]:
    """Return a tuple with the best utilization of a run after each attempt, 0 before the first that passed, for a bar
    chart. If there are more than `most` values, only `most` of them, at equal distances, are returned.

    A value may be lower than the one before it, because a duel and not the utilization decides which attempt is better.
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
    """Return the latest event that ended or paused the run of this history, or None if the run has not ended since its
    start or its last resume.
    """
    last = next((e for e in reversed(history.events) if e.kind in (*ENDINGS, *BEGINNINGS)), None)
    return last if last and last.kind in ENDINGS else None


def _limit(ending: Event | None) -> StopReason | None:
    limit = ending.data.get("limit") if ending else None
    return next((reason for reason in StopReason if reason == limit), None)
