"""The data model of a comparison: two attempts, or two runs, side by side."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Generic, TypeVar

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History
from kernelsmith.core.verdict import Measurement
from kernelsmith.report import figures
from kernelsmith.report.model_attempt import FLAT, AttemptRow, attempt_row, known_facts

T = TypeVar("T")
Pair = tuple[Any, Any]
Differences = Mapping[str, Pair]
"""The keys whose values differ, each with both values; a missing value is None."""
STEPS = 10
"""Milestones of utilization are one of this many parts of peak apart."""
DIGEST = 12
"""Digits of a digest that a reader compares."""


@dataclass(frozen=True, slots=True)
class AttemptInRun:
    """One attempt with the run it stands in: what `attempts_diff` takes twice."""

    history: History
    attempt: Attempt

    @property
    def source(self) -> str:
        """The kernel's text, empty where the attempt has no candidate."""
        return self.attempt.candidate.source if self.attempt.candidate else ""


@dataclass(frozen=True, slots=True)
class NamedAttempt:
    """One side of a comparison of attempts."""

    run: str
    attempt: Annotated[AttemptRow, FLAT]

    @property
    def name(self) -> str:
        """The attempt as a user writes it: `night:7`."""
        return f"{self.run}:{self.attempt.number}"


@dataclass(frozen=True, slots=True)
class TimesComparison:
    """The times of two measurements against each other."""

    speedup: float
    """Time of a / time of b."""
    intervals_overlap: bool
    """Whether the 95 % intervals overlap."""
    peaks: tuple[float, float]
    """The dense peaks that the utilizations are fractions of, units per second."""


@dataclass(frozen=True, slots=True)
class AttemptsDiff:
    """Two attempts side by side."""

    a: NamedAttempt
    b: NamedAttempt
    task: str
    parameters: Differences
    facts: Differences
    """A class of instructions counts as one fact."""
    measurement: TimesComparison | None
    """None unless both passed."""
    source: tuple[str, ...]
    """The lines of a unified diff; none where no line differs."""
    same_source: bool
    """Whether the sources are equal, the ends of their lines included."""


@dataclass(frozen=True, slots=True)
class OfBothRuns(Generic[T]):
    """The same thing of both runs."""

    a: T
    b: T


@dataclass(frozen=True, slots=True)
class Milestone:
    """When each run first had an incumbent this good."""

    milestone: str
    a: int | None
    """Number of the attempt; None where the run did not get there."""
    b: int | None
    a_active_s: float | None
    """Active time until the attempt had its verdict, seconds."""
    b_active_s: float | None


@dataclass(frozen=True, slots=True)
class ProvenanceDiff:
    """What differs in the programs and rules that made the figures of two runs; None where it is the same."""

    program: tuple[str, str] | None
    harness_digest: tuple[str, str] | None
    templates_digest: tuple[str, str] | None
    timing_policy: Differences
    """By key of the policy; a key inside a table reads `table.key`."""


@dataclass(frozen=True, slots=True)
class RunsDiff:
    """Two runs side by side."""

    a: str
    b: str
    configuration: Differences
    provenance: ProvenanceDiff
    first_divergence: int | None
    """The first attempt whose candidates differ; None where one run begins with all attempts of the other."""
    diverging: OfBothRuns[AttemptRow] | None
    """The two attempts at the first divergence."""
    same_attempts: int
    """How many attempts at the beginning have the same candidates."""
    milestones: tuple[Milestone, ...]
    best: OfBothRuns[AttemptRow | None]
    comparison: TimesComparison | None
    """Best against best; None unless both runs have a best attempt."""
    asks_limit: OfBothRuns[int | None]
    """The most asks that each run may answer."""


# --- two attempts ---


def attempts_diff(a: AttemptInRun, b: AttemptInRun) -> AttemptsDiff:
    """Return what differs between two attempts."""
    named = [NamedAttempt(side.history.run.name, _row(side.history, side.attempt)) for side in (a, b)]
    lines = difflib.unified_diff(
        a.source.splitlines(), b.source.splitlines(), named[0].name, named[1].name, lineterm=""
    )
    return AttemptsDiff(
        a=named[0],
        b=named[1],
        task=a.history.run.config.task,
        parameters=differing(named[0].attempt.params, named[1].attempt.params),
        facts=differing(_facts(named[0].attempt), _facts(named[1].attempt)),
        measurement=compared(a.attempt.verdict.measurement, b.attempt.verdict.measurement),
        source=tuple(lines),
        same_source=a.source == b.source,
    )


def differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> Differences:
    """Return the keys whose values differ, each with both values; a missing value is None."""
    keys = [*a, *(key for key in b if key not in a)]
    return {key: (a.get(key), b.get(key)) for key in keys if a.get(key) != b.get(key)}


def compared(a: Measurement | None, b: Measurement | None) -> TimesComparison | None:
    """Return the speed of b over a; None unless both were measured."""
    if a is None or b is None:
        return None
    apart = a.interval_us.high < b.interval_us.low or b.interval_us.high < a.interval_us.low
    return TimesComparison(a.time_us / b.time_us, not apart, (a.peak, b.peak))


def _facts(attempt: AttemptRow) -> Mapping[str, Any]:
    facts: dict[str, Any] = dict(known_facts(attempt.verdict.facts))
    counts = facts.pop("instructions", {})
    return facts | {f"{kind} instructions": count for kind, count in counts.items()}


# --- two runs ---


def runs_diff(a: History, b: History) -> RunsDiff:
    """Return what differs between two runs: configuration, provenance, candidates, milestones, best attempts."""
    pairs = list(zip(a.attempts, b.attempts, strict=False))
    same = next((index for index, (x, y) in enumerate(pairs) if _digest(x) != _digest(y)), len(pairs))
    parted = pairs[same] if same < len(pairs) else None
    best = OfBothRuns(_best(a), _best(b))
    return RunsDiff(
        a=a.run.name,
        b=b.run.name,
        configuration=differing(_settings(a), _settings(b)),
        provenance=provenance_diff(a, b),
        first_divergence=parted[0].number if parted else None,
        diverging=OfBothRuns(_row(a, parted[0]), _row(b, parted[1])) if parted else None,
        same_attempts=same,
        milestones=tuple(_milestones(a, b)),
        best=best,
        comparison=compared(_measurement(best.a), _measurement(best.b)),
        asks_limit=OfBothRuns(a.budget.attempts, b.budget.attempts),
    )


def provenance_diff(a: History, b: History) -> ProvenanceDiff:
    """Return what differs in the programs and rules that made the figures of two runs."""
    x, y = a.provenance, b.provenance
    return ProvenanceDiff(
        program=_unequal(x.program, y.program),
        harness_digest=_unequal(x.harness_digest, y.harness_digest),
        templates_digest=_unequal(x.templates_digest, y.templates_digest),
        timing_policy=differing(_dotted(x.timing_policy), _dotted(y.timing_policy)),
    )


def _row(history: History, attempt: Attempt) -> AttemptRow:
    return attempt_row(attempt, history.device_of(attempt))


def _best(history: History) -> AttemptRow | None:
    return _row(history, history.incumbent) if history.incumbent else None


def _measurement(row: AttemptRow | None) -> Measurement | None:
    return row.verdict.measurement if row else None


def _unequal(x: str, y: str) -> tuple[str, str] | None:
    return (x, y) if x != y else None


def _dotted(table: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """The values of a nested table by `table.key`."""
    values: dict[str, object] = {}
    for key, value in table.items():
        values |= _dotted(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return values


def _settings(history: History) -> Mapping[str, Any]:
    """Everything a run was asked to be, and what it ran on, by name."""
    config, device = history.run.config, history.device
    settings = {each.name: getattr(config, each.name) for each in fields(config) if each.name != "budget"}
    settings |= {f"budget.{each.name}": getattr(history.budget, each.name) for each in fields(history.budget)}
    settings["task digest"] = history.task_digest[:DIGEST]
    settings |= {"device": device.name, "peak": figures.rate(device.peak, device.unit)} if device else {}
    return settings | ({"vendor line": device.vendor.name} if device and device.vendor else {})


def _digest(attempt: Attempt) -> str:
    return attempt.candidate.digest if attempt.candidate else ""


def _milestones(a: History, b: History) -> list[Milestone]:
    """The first that passed, then every tenth of peak that either run reached."""
    found = [_milestone("first passing attempt", a=a, b=b, utilization=0)]
    step = 1
    while reached := _milestone(f"{100 * step // STEPS} % of peak", a=a, b=b, utilization=step / STEPS):
        found.append(reached)
        step += 1
    return [milestone for milestone in found if milestone]


def _milestone(name: str, *, a: History, b: History, utilization: float) -> Milestone | None:
    x, y = _reaching(a, utilization), _reaching(b, utilization)
    if x is None and y is None:
        return None
    return Milestone(name, x, y, _active_s(a, x), _active_s(b, y))


def _reaching(history: History, utilization: float) -> int | None:
    """The number of the first promoted attempt at or above this utilization."""
    promoted = (attempt for attempt in history.attempts if attempt.verdict.promotion)
    return next((each.number for each in promoted if (each.verdict.utilization or 0) >= utilization), None)


def _active_s(history: History, number: int | None) -> float | None:
    if number is None:
        return None
    return sum(attempt.seconds for attempt in history.attempts if attempt.number <= number)
