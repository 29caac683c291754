"""Builds the report of a comparison of two runs: settings, program versions, first difference, milestones, and best
attempts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History
from kernelsmith.core.verdict import Measurement
from kernelsmith.report import figures
from kernelsmith.report.model_attempt import AttemptRow, attempt_row
from kernelsmith.report.model_diff import Differences, TimesComparison, compared, differing
from kernelsmith.report.model_divergence import Divergence, OfBothRuns, digest_of, divergence

STEPS = 10
"""Number of milestones up to the peak: one for each tenth."""
DIGEST = 12
"""Number of hexadecimal digits of a digest that the page shows."""


@dataclass(frozen=True, slots=True)
class Milestone:
    """A utilization such as 10 % of the device's peak; for each of the two compared runs, the first attempt that became
    the best and reached it, and the time that the run had spent on attempts until then.
    """

    milestone: str
    """The milestone in words: `first passing attempt`, `10 % of peak`."""
    a: int | None
    """Number of the attempt in run a; None if run a never reached the milestone."""
    b: int | None
    """Number of the attempt in run b; None if run b never reached the milestone."""
    a_active_s: float | None
    """Time that run a had spent on attempts until then, in seconds; None if run a never reached the milestone."""
    b_active_s: float | None
    """The same time for run b."""


@dataclass(frozen=True, slots=True)
class ProvenanceDiff:
    """Differences between the programs and timing rules with which two runs were made. The agent's version and the
    digests of harness and templates are pairs (value of run a, value of run b), or None if they are equal.
    `provenance_diff` makes it.
    """

    program: tuple[str, str] | None
    harness_digest: tuple[str, str] | None
    templates_digest: tuple[str, str] | None
    timing_policy: Differences
    """Values of the timing rules that differ; the key of a value inside a table is `table.key`."""


@dataclass(frozen=True, slots=True)
class RunsDiff:
    """The differences between two runs, a and b: settings, programs, first differing attempts, milestones, and best
    attempts. `runs_diff` makes it for `kernelsmith diff`.
    """

    a: str
    """Name of the first run."""
    b: str
    """Name of the second run."""
    configuration: Differences
    """Settings, task digest and device that differ."""
    provenance: ProvenanceDiff
    first_divergence: int | None
    """Number of the first attempt whose candidates differ; None if one run begins with all candidates of the other."""
    diverging: OfBothRuns[AttemptRow] | None
    """The two attempts whose candidates differ first; None if `first_divergence` is None."""
    same_attempts: int
    """Number of attempts at the beginning whose candidates are the same."""
    first_difference: Divergence | None
    """The first attempts that differ in any way, also in the verdict only; None if no attempts differ."""
    milestones: tuple[Milestone, ...]
    best: OfBothRuns[AttemptRow | None]
    """The incumbent of each run; None if no attempt of the run has passed."""
    comparison: TimesComparison | None
    """The comparison of the two incumbents; None unless both runs have one."""
    asks_limit: OfBothRuns[int | None]
    """The largest number of asks that each run may answer; None if the run has no such limit."""


def runs_diff(a: History, b: History) -> RunsDiff:
    """Return the differences between two runs: settings, program versions, first differing attempts, milestones of
    utilization, and best attempts. `a` and `b` are everything that the log holds of the runs. A part that is equal is
    empty or None.
    """
    pairs = list(zip(a.attempts, b.attempts, strict=False))
    same = next((index for index, (x, y) in enumerate(pairs) if digest_of(x) != digest_of(y)), len(pairs))
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
        first_difference=divergence(a, b),
        milestones=tuple(_milestones(a, b)),
        best=best,
        comparison=compared(_measurement(best.a), _measurement(best.b)),
        asks_limit=OfBothRuns(a.budget.attempts, b.budget.attempts),
    )


def provenance_diff(a: History, b: History) -> ProvenanceDiff:
    """Return the differences between the programs (agent, harness, prompt templates) and the timing rules with which
    two runs were made. A part is None or empty if it is equal.
    """
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
    """Return a nested table as one flat dict. The key of a value in an inner table is the names joined by a dot, such
    as `outer.inner`, and `prefix` is put before each key.
    """
    values: dict[str, object] = {}
    for key, value in table.items():
        values |= _dotted(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return values


def _settings(history: History) -> Mapping[str, Any]:
    """Return the values in which `kernelsmith diff` compares two runs, for one run, as a mapping by name: each setting
    of its config, its budget, its task's digest, and its device with peak and vendor's library.
    """
    config, device = history.run.config, history.device
    settings = {each.name: getattr(config, each.name) for each in fields(config) if each.name != "budget"}
    settings |= {f"budget.{each.name}": getattr(history.budget, each.name) for each in fields(history.budget)}
    settings["task digest"] = history.task_digest[:DIGEST]
    settings |= {"device": device.name, "peak": figures.rate(device.peak, device.unit)} if device else {}
    return settings | ({"vendor line": device.vendor.name} if device and device.vendor else {})


def _milestones(a: History, b: History) -> list[Milestone]:
    """Return a list of milestones: the first passing attempt, then one for each tenth of the device's peak that either
    run reached. It is empty if no attempt passed in either run.
    """
    milestones = [_milestone("first passing attempt", a=a, b=b, utilization=0)]
    step = 1
    while reached := _milestone(f"{100 * step // STEPS} % of peak", a=a, b=b, utilization=step / STEPS):
        milestones.append(reached)
        step += 1
    return [milestone for milestone in milestones if milestone]


def _milestone(name: str, *, a: History, b: History, utilization: float) -> Milestone | None:
    x, y = _reaching(a, utilization), _reaching(b, utilization)
    if x is None and y is None:
        return None
    return Milestone(name, x, y, _active_s(a, x), _active_s(b, y))


def _reaching(history: History, utilization: float) -> int | None:
    """Return the number of the run's first attempt that became the best and has at least the fraction `utilization` of
    the device's peak, or None if there is none.
    """
    promoted = (attempt for attempt in history.attempts if attempt.verdict.promotion)
    return next((each.number for each in promoted if (each.verdict.utilization or 0) >= utilization), None)


def _active_s(history: History, number: int | None) -> float | None:
    if number is None:
        return None
    return sum(attempt.seconds for attempt in history.attempts if attempt.number <= number)
