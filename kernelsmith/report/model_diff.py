"""Builds the report of a comparison of two attempts, which may belong to different runs, as dataclasses."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History
from kernelsmith.core.verdict import Measurement
from kernelsmith.report.model_attempt import FLAT, AttemptRow, attempt_row, known_facts

Pair = tuple[Any, Any]
Differences = Mapping[str, Pair]
"""Key whose values differ -> both values; a value that one side lacks is None."""


@dataclass(frozen=True, slots=True)
class AttemptInRun:
    """One attempt and the history of its run, which gives the attempt its name and its device. `attempts_diff` takes
    two of them.
    """

    history: History
    attempt: Attempt

    @property
    def name(self) -> str:
        """Return the attempt as a user writes it, run and number: `night:7`."""
        return f"{self.history.run.name}:{self.attempt.number}"

    @property
    def row(self) -> AttemptRow:
        """Return the attempt as a row of a table: number, verdict, hypothesis and device, without its source text."""
        return attempt_row(self.attempt, self.history.device_of(self.attempt))

    @property
    def source(self) -> str:
        """Return the source text of the candidate; empty if the attempt has no candidate."""
        return self.attempt.candidate.source if self.attempt.candidate else ""


@dataclass(frozen=True, slots=True)
class NamedAttempt:
    """One of the two attempts of a comparison: the attempt as a row of a table, and the name of its run.
    `attempts_diff` makes it.
    """

    run: str
    attempt: Annotated[AttemptRow, FLAT]

    @property
    def name(self) -> str:
        """Return the attempt as a user writes it, run and number: `night:7`."""
        return f"{self.run}:{self.attempt.number}"


@dataclass(frozen=True, slots=True)
class TimesComparison:
    """The comparison of the measured times of two attempts a and b: the time of a divided by the time of b, whether
    their 95 % intervals overlap, and the device peaks of which the utilizations are fractions. `compared` makes it.
    """

    speedup: float
    """Time of a / time of b: above 1 if b is faster."""
    intervals_overlap: bool
    """Whether the 95 % confidence intervals overlap."""
    peaks: tuple[float, float]
    """The dense peaks that the two utilizations are fractions of, in units per second."""


@dataclass(frozen=True, slots=True)
class AttemptsDiff:
    """The differences between two attempts, a and b: knob values, facts of the build, times and source. `attempts_diff`
    makes it for `kernelsmith diff`.
    """

    a: NamedAttempt
    b: NamedAttempt
    task: str
    """Name or folder of the task of a's run."""
    parameters: Differences
    """Knob values that differ."""
    facts: Differences
    """Facts of the build that differ; the count of each class of instructions is one fact."""
    measurement: TimesComparison | None
    """The comparison of both times; None unless both attempts passed."""
    source: tuple[str, ...]
    """The lines of a unified diff of the sources; empty if no line differs."""
    same_source: bool
    """Whether the sources are equal, including the ends of their lines."""


def attempts_diff(a: AttemptInRun, b: AttemptInRun) -> AttemptsDiff:
    """Return the differences between two attempts: knob values (marked constants of the source), facts of the build,
    times, and source lines. The attempts may belong to different runs.
    """
    named = [NamedAttempt(side.history.run.name, side.row) for side in (a, b)]
    return AttemptsDiff(
        a=named[0],
        b=named[1],
        task=a.history.run.config.task,
        parameters=differing(named[0].attempt.params, named[1].attempt.params),
        facts=differing(_facts(named[0].attempt), _facts(named[1].attempt)),
        measurement=compared(a.attempt.verdict.measurement, b.attempt.verdict.measurement),
        source=source_diff(a, b),
        same_source=a.source == b.source,
    )


def source_diff(a: AttemptInRun, b: AttemptInRun) -> tuple[str, ...]:
    """Return the lines of a unified diff from the source text of attempt `a` to that of `b`, as a tuple; empty if no
    line differs.
    """
    return tuple(difflib.unified_diff(a.source.splitlines(), b.source.splitlines(), a.name, b.name, lineterm=""))


def differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> Differences:
    """Return a mapping from each key whose values in the mappings `a` and `b` differ to the pair (value in a, value in
    b). A value that one of them lacks is None in the pair.
    """
    keys = [*a, *(key for key in b if key not in a)]
    return {key: (a.get(key), b.get(key)) for key in keys if a.get(key) != b.get(key)}


def compared(a: Measurement | None, b: Measurement | None) -> TimesComparison | None:
    """Return a TimesComparison of two measurements: the time of `a` divided by the time of `b` (above 1 if b is
    faster), whether their 95 % intervals overlap, and the dense peaks of both devices in units per second. Return None
    if either measurement is None.
    """
    if a is None or b is None:
        return None
    apart = a.interval_us.high < b.interval_us.low or b.interval_us.high < a.interval_us.low
    return TimesComparison(a.time_us / b.time_us, not apart, (a.peak, b.peak))


def _facts(attempt: AttemptRow) -> Mapping[str, Any]:
    facts: dict[str, Any] = dict(known_facts(attempt.verdict.facts))
    counts = facts.pop("instructions", {})
    return facts | {f"{kind} instructions": count for kind, count in counts.items()}
