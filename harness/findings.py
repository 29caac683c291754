"""What is known of a candidate while it is judged; every stage adds to it, whatever the status will be."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import wire
from clock import Reading, Score
from workplace import Watch

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

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the seconds of a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.durations_s[stage] = self.durations_s.get(stage, 0.0) + time.perf_counter() - start

    def undisturbed(
        self, name: str, measure: Callable[[Watch], T], *, watch: Callable[[], Watch], is_settled: Callable[[T], bool]
    ) -> T:
        """What is measured under a watch. Where something else ran on the device it is measured again, once; if it
        still does, the verdict says so. What is settled stands, whoever ran."""
        said = ""
        for again in (False, True):
            watching = watch()
            found = measure(watching)
            if is_settled(found) or not (by := watching.disturbance()):
                break
            said = f"{name}: {DISTURBED if again else 'timed again, for it was disturbed'}: {by}"
        self.notes += [said] if said else []
        return found

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
            **found,  # type: ignore[arg-type]
        )


@dataclass(frozen=True)
class Timed:
    """A candidate that passed: its readings and score by case."""

    readings: dict[str, list[Reading]]
    scores: dict[str, Score]
    pilot_s: float
