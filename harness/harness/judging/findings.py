"""What is known of a candidate while it is judged; every stage adds to it, whatever the status will be."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from harness.devices import Watch
from harness.timing.clock import Reading, Score
from harness.wire import messages as wire

Progress = Callable[[str], None]
"""Is told each stage as it begins."""
DISTURBED = "disturbed, and once more when it was timed again"
"""Begins what a verdict says of a figure that others may have moved."""
T = TypeVar("T")


@dataclass
class Findings:
    """Facts, batches and notes so far."""

    source_digest: str = ""
    facts: wire.Facts = field(default_factory=wire.Facts)
    batches: list[wire.Batch] = field(default_factory=list)
    durations_s: dict[str, float] = field(default_factory=dict)
    guards_s: dict[str, float] = field(default_factory=dict)
    """By guard, a part of the durations; see guards.py."""
    notes: list[str] = field(default_factory=list)
    isolation: int | None = None
    disturbed: list[wire.Figure] = field(default_factory=list)
    """The figures that were still disturbed when they were measured again, or are measured only once."""

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the seconds of a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.durations_s[stage] = self.durations_s.get(stage, 0.0) + time.perf_counter() - start

    def undisturbed(
        self,
        figure: wire.Figure,
        measure: Callable[[Watch], T],
        *,
        name: str,
        watch: Callable[[], Watch],
        is_settled: Callable[[T], bool],
    ) -> T:
        """Return what `measure` found under a watch; measure once more where something else ran on the device.

        A figure that was disturbed both times is named in the verdict. A result that is settled needs no second
        measurement, even if something else ran.
        """
        found, disturbance = self._watched(measure, watch=watch, is_settled=is_settled)
        if not disturbance:
            return found
        found, again = self._watched(measure, watch=watch, is_settled=is_settled)
        if again:
            self.disturb(figure, f"{name}: {DISTURBED}: {again}")
        else:
            self.notes.append(f"{name}: timed again, for it was disturbed: {disturbance}")
        return found

    def disturb(self, figure: wire.Figure, note: str) -> None:
        """Say in the verdict that a figure was disturbed, as data and in words."""
        self.notes.append(note)
        if figure not in self.disturbed:
            self.disturbed.append(figure)

    @staticmethod
    def _watched(
        measure: Callable[[Watch], T], *, watch: Callable[[], Watch], is_settled: Callable[[T], bool]
    ) -> tuple[T, str]:
        """Return one measurement, and what disturbed it; the latter is empty where the result is settled."""
        watching = watch()
        found = measure(watching)
        return found, "" if is_settled(found) else watching.disturbance()

    def verdict(self, status: str, detail: str = "", **found: object) -> wire.Verdict:
        """The verdict with all that was found."""
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


@dataclass(frozen=True)
class Timed:
    """A candidate that passed: its readings and score by case."""

    readings: dict[str, list[Reading]]
    scores: dict[str, Score]
    pilot_s: float
