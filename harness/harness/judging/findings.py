"""What is known of a candidate while it is judged; every stage adds to it, whatever the status will be."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from harness.devices import Monitor
from harness.timing.clock import Clock, SystemClock
from harness.wire import messages as wire

DISTURBED = "disturbed, and once more when it was timed again"
"""Begins what a verdict says of a figure that other work may have moved."""
T = TypeVar("T")


@dataclass(frozen=True)
class DisturbableFigure(Generic[T]):
    """A figure that other work on the device can disturb, and how it is measured."""

    figure: wire.Figure
    name: str
    """Name of the figure in notes, e.g. `case main`."""
    measure: Callable[[Monitor], T]
    monitor: Callable[[], Monitor]
    is_settled: Callable[[T], bool]
    """Returns whether a result is kept even if something else ran meanwhile."""


@dataclass
class Findings:
    """Facts, batches and notes so far."""

    clock: Clock = field(default_factory=SystemClock)
    source_digest: str = ""
    facts: wire.Facts = field(default_factory=wire.Facts)
    batches: list[wire.Batch] = field(default_factory=list)
    durations_s: dict[str, float] = field(default_factory=dict)
    """Seconds by stage."""
    guards_s: dict[str, float] = field(default_factory=dict)
    """Seconds by guard, a part of the durations; see guards.py."""
    notes: list[str] = field(default_factory=list)
    isolation: int | None = None
    disturbed: list[wire.Figure] = field(default_factory=list)
    """The figures that were still disturbed when they were measured again, or are measured only once."""

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the seconds of a stage."""
        start = self.clock.now_ns()
        try:
            yield
        finally:
            seconds = (self.clock.now_ns() - start) * 1e-9
            self.durations_s[stage] = self.durations_s.get(stage, 0.0) + seconds

    def undisturbed(self, measurable: DisturbableFigure[T]) -> T:
        """Return a measured figure; measure once more where something else ran on the device.

        A figure that was disturbed both times is named in the verdict. A result that is settled needs no second
        measurement, even if something else ran.
        """
        found, disturbance = _monitored(measurable)
        if not disturbance:
            return found
        found, again = _monitored(measurable)
        if again:
            self.disturb(measurable.figure, f"{measurable.name}: {DISTURBED}: {again}")
        else:
            self.notes.append(f"{measurable.name}: timed again, for it was disturbed: {disturbance}")
        return found

    def disturb(self, figure: wire.Figure, note: str) -> None:
        """Say in the verdict that a figure was disturbed, as data and in words."""
        self.notes.append(note)
        if figure not in self.disturbed:
            self.disturbed.append(figure)

    def verdict(self, status: str, detail: str = "", **found: object) -> wire.Verdict:
        """Return the verdict with everything that was found."""
        return wire.Verdict(
            status=status,
            detail=detail,
            source_digest=self.source_digest,
            facts=self.facts,
            batches=tuple(self.batches),
            durations_s=self.durations_s,
            guards_s=self.guards_s,
            notes=tuple(self.notes),
            isolation=self.isolation,
            disturbed=tuple(self.disturbed),
            **found,  # type: ignore[arg-type]
        )


def _monitored(measurable: DisturbableFigure[T]) -> tuple[T, str]:
    """Return one measurement, and what disturbed it; the latter is empty where the result is settled."""
    monitor = measurable.monitor()
    found = measurable.measure(monitor)
    return found, "" if measurable.is_settled(found) else monitor.disturbance()
