"""Collect everything that the stages learn about a candidate: facts, batches, notes, durations and disturbed figures.
The verdict is made from them, whatever its status is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from harness.devices import Monitor
from harness.timing.clock import Clock, SystemClock
from harness.wire import messages as wire

DISTURBED = "disturbed in both measurements"
"""First words of the note on a figure that other work disturbed in both measurements."""
T = TypeVar("T")


@dataclass(frozen=True)
class DisturbableFigure(Generic[T]):
    """A figure of a verdict, such as a case's times, that other work on the device can disturb. It holds the figure's
    name and three functions: `measure` measures it once, `monitor` makes the monitor that looks for other work
    meanwhile, and `is_settled` says whether a result is kept although it was disturbed. `Findings.undisturbed` calls
    them.
    """

    figure: wire.Figure
    name: str
    """Name of the figure in notes, such as `case main`."""
    measure: Callable[[Monitor], T]
    """Measures the figure once; receives the monitor that looks for other work meanwhile."""
    monitor: Callable[[], Monitor]
    """Returns a new monitor for one measurement."""
    is_settled: Callable[[T], bool]
    """Returns whether a result is kept even if other work ran during its measurement."""


@dataclass
class Findings:
    """Results that the stages have collected about one candidate so far: digest of the source, facts about the machine
    code, timed batches, seconds by stage and by guard (work that only protects against cheating or wrong candidates),
    notes, and disturbed figures. `judge.py` makes one per request and turns it into the verdict.
    """

    clock: Clock = field(default_factory=SystemClock)
    source_digest: str = ""
    facts: wire.Facts = field(default_factory=wire.Facts)
    batches: list[wire.Batch] = field(default_factory=list)
    durations_s: dict[str, float] = field(default_factory=dict)
    """Seconds by stage."""
    guards_s: dict[str, float] = field(default_factory=dict)
    """Seconds by guard, which are part of the stages' seconds; see guards.py."""
    notes: list[str] = field(default_factory=list)
    isolation: int | None = None
    """Sandbox level of the candidate's build and worker, 3 to 0; None before the build."""
    disturbed: list[wire.Figure] = field(default_factory=list)
    """Figures that stayed disturbed when they were measured again, or that are measured only once and were disturbed.
    """

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Time the `with` block and add its seconds to the duration of the stage named `stage` in the verdict, also if
        the block raises an exception. Yields None.
        """
        start = self.clock.now_ns()
        try:
            yield
        finally:
            seconds = (self.clock.now_ns() - start) * 1e-9
            self.durations_s[stage] = self.durations_s.get(stage, 0.0) + seconds

    def undisturbed(self, measurable: DisturbableFigure[T]) -> T:
        """Measure a figure and return the result. If other work disturbed the measurement and `measurable.is_settled`
        returns False for the result, measure once more and return the second result. Raises whatever
        `measurable.measure` raises.

        A note says what disturbed the first measurement. If the second was disturbed too, the verdict names the figure.
        """
        result, disturbance = _monitored(measurable)
        if not disturbance:
            return result
        result, second_disturbance = _monitored(measurable)
        if second_disturbance:
            self.disturb(measurable.figure, f"{measurable.name}: {DISTURBED}: {second_disturbance}")
        else:
            self.notes.append(f"{measurable.name}: measured again because it was disturbed: {disturbance}")
        return result

    def disturb(self, figure: wire.Figure, note: str) -> None:
        """Add `figure`, the verdict's word for a measured value, to those that the verdict reports as disturbed by
        other work, and add `note`, a sentence that says what disturbed it, to the notes.
        """
        self.notes.append(note)
        if figure not in self.disturbed:
            self.disturbed.append(figure)

    def verdict(self, status: str, detail: str = "", **fields: object) -> wire.Verdict:
        """Return the verdict message with this status and detail (a sentence for the reader; empty for a pass), all
        findings, and further verdict fields as keyword arguments, such as `measurement`. Raises TypeError if the
        verdict has no field of that name.
        """
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
            **fields,  # type: ignore[arg-type]
        )


def _monitored(measurable: DisturbableFigure[T]) -> tuple[T, str]:
    """Measure a figure once while a monitor looks for other work on the device. Return (result, disturbance): a text
    that says what other work ran, or an empty string if none ran or `measurable.is_settled` keeps the result anyway.
    Raises whatever `measurable.measure` raises.
    """
    monitor = measurable.monitor()
    result = measurable.measure(monitor)
    return result, "" if measurable.is_settled(result) else monitor.disturbance()
