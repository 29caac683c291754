"""A run as the log tells it: the one argument of strategies, proposers and reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from kernelsmith.core.attempt import Ask, Attempt, Proposal, Stance
from kernelsmith.core.candidate import Candidate
from kernelsmith.core.run import Budget, Device, Event, EventKind, Provenance, Run
from kernelsmith.core.usage import Usage

BEGINS_A_LINE = (Stance.OPEN, Stance.RESTRUCTURE, Stance.RESTART)


@dataclass(frozen=True, slots=True)
class Opponent:
    """The kernel that a contender must beat, with the times that the harness plans a duel by."""

    candidate: Candidate
    time_us: float
    """Its score, microseconds a call."""
    fastest_us: float
    """Its fastest batch, microseconds a call."""


@dataclass(frozen=True)
class History:
    """Everything that is known of a run at one moment."""

    run: Run
    attempts: Sequence[Attempt] = ()
    """In the order of recording; an attempt's number need not be its index."""
    events: Sequence[Event] = ()
    asks: Sequence[Ask] = ()
    """Every ask, by number."""
    usage: Usage = field(default_factory=Usage)
    """Summed over all model calls."""
    devices: Sequence[tuple[datetime, Device]] = ()
    """What the run was measured on, each time the harness opened the task, with the time (UTC)."""

    # --- asks ---

    @cached_property
    def open_asks(self) -> Sequence[Ask]:
        """The asks that still lack an attempt of one of their trials, by number."""
        made, promised = self._trials_made, self._trials_promised
        return [ask for ask in self.asks if made.get(ask.number, 0) < promised.get(ask.number, 1)]

    @property
    def answered(self) -> int:
        """How many asks have an attempt; budgets and plateaus count these."""
        return len(self._trials_made)

    @property
    def sweep_trials(self) -> int:
        """How many attempts are further trials of an ask."""
        return sum(attempt.trial > 0 for attempt in self.attempts)

    def trials_of(self, ask_number: int) -> Sequence[Attempt]:
        """The attempts that answer an ask."""
        return [attempt for attempt in self.attempts if attempt.ask_number == ask_number]

    def as_seen_by(self, ask: Ask) -> "History":
        """The history that the ask's directive was made from, so that an answer does not depend on what came later."""
        known = [attempt for attempt in self.attempts if attempt.number <= ask.seen]
        return replace(self, attempts=known, asks=[other for other in self.asks if other.number <= ask.number])

    # --- attempts ---

    @cached_property
    def incumbent(self) -> Attempt | None:
        """The best attempt so far: the last one promoted."""
        return next((a for a in reversed(self.attempts) if a.verdict.promotion), None)

    @cached_property
    def opponent(self) -> Opponent | None:
        """The incumbent with its latest times: as it was judged, or as it was measured again."""
        best = self.incumbent
        if best is None or best.candidate is None or best.verdict.measurement is None:
            return None
        if again := self.remeasured(best):
            return Opponent(best.candidate, float(str(again["time_us"])), float(str(again["fastest_us"])))
        time_us = best.verdict.measurement.time_us
        fastest_us = min((batch.time_us for batch in best.verdict.batches), default=time_us)
        return Opponent(best.candidate, time_us, fastest_us)

    @property
    def best_utilization(self) -> float | None:
        """The incumbent's utilization as it was measured last; None where nothing has passed."""
        best = self.incumbent
        again = self.remeasured(best) if best else None
        return float(str(again["utilization"])) if again else best.verdict.utilization if best else None

    @property
    def provenance(self) -> Provenance:
        """What made the latest figures: as the run was started, or as its latest `resume` event says."""
        made = self.run.provenance
        told: dict[str, Any] = {f.name: self.last_told(f.name) or getattr(made, f.name) for f in fields(Provenance)}
        return Provenance(**told)

    def remeasured(self, attempt: Attempt) -> Mapping[str, object] | None:
        """What the latest `remeasured` event of an attempt holds, if there is one."""
        told = (e.data for e in reversed(self.events) if e.kind is EventKind.REMEASURED)
        return next((data for data in told if data.get("attempt") == attempt.number), None)

    def measured_under(self, attempt: Attempt) -> Mapping[str, object]:
        """Harness digest, timing policy and task digest under which an attempt was measured last."""
        if again := self.remeasured(attempt):
            return again
        made = self.run.provenance
        found: dict[str, object] = {
            "harness_digest": made.harness_digest,
            "timing_policy": made.timing_policy,
            "task_digest": self.run.task_digest,
        }
        resumed = (e.data for e in self.events if e.kind is EventKind.RESUME and e.at <= attempt.started_at)
        for data in resumed:
            found |= {key: data[key] for key in found.keys() & data.keys()}
        return found

    @property
    def highest_attempt(self) -> int:
        """The highest attempt number; -1 where there is no attempt."""
        return max((attempt.number for attempt in self.attempts), default=-1)

    def attempt(self, number: int) -> Attempt | None:
        """The attempt with this number, if it exists."""
        return self._by_number.get(number)

    def identical(self, digest: str) -> Attempt | None:
        """The first attempt that judged a candidate with this digest, if any."""
        return next((a for a in self.attempts if a.candidate and a.candidate.digest == digest), None)

    def line_of(self, ask: Ask, proposal: Proposal, *, number: int) -> int:
        """Return the line of a new attempt: its parent's, or its own number where the stance begins a line."""
        parent = self.attempt(proposal.parent) if proposal.parent is not None else None
        stance = ask.directive.stance
        begins = stance in BEGINS_A_LINE and (parent is None or parent.stance is not stance)
        return number if begins or parent is None else parent.line

    @property
    def active_s(self) -> float:
        """Seconds spent on attempts, summed over all resumes."""
        return sum(a.seconds for a in self.attempts)

    # --- devices and events ---

    @property
    def device(self) -> Device | None:
        """As last opened."""
        return self.devices[-1][1] if self.devices else None

    def device_of(self, attempt: Attempt) -> Device | None:
        """What the attempt was measured on: a resumed run may have another peak, and another vendor line."""
        before = [device for at, device in self.devices if at <= attempt.started_at]
        return before[-1] if before else self.device

    @property
    def task_digest(self) -> str:
        """Of the task folder that the latest attempts were made for."""
        return str(self.last_told("task_digest") or self.run.task_digest)

    def last_told(self, key: str) -> object:
        """The newest value that a `resume` event holds under a key; None where none does."""
        resumed = (event.data for event in reversed(self.events) if event.kind is EventKind.RESUME)
        return next((data[key] for data in resumed if key in data), None)

    @property
    def budget(self) -> Budget:
        """The configured budget with every extension applied."""
        extensions = (e.data for e in self.events if e.kind is EventKind.EXTENSION)
        limits: dict[str, Any] = {key: value for data in extensions for key, value in data.items()}
        return replace(self.run.config.budget, **limits)

    def deadly_judgings(self, ask_number: int, trial: int) -> int:
        """How often the judge died while it judged a trial."""
        deaths = (event for event in self.events if event.kind is EventKind.JUDGE_DIED)
        return sum(death.ask_number == ask_number and death.data.get("trial", 0) == trial for death in deaths)

    # --- indexes ---

    @cached_property
    def _by_number(self) -> Mapping[int, Attempt]:
        return {attempt.number: attempt for attempt in self.attempts}

    @cached_property
    def _trials_made(self) -> Mapping[int, int]:
        made: dict[int, int] = {}
        for attempt in self.attempts:
            made[attempt.ask_number] = made.get(attempt.ask_number, 0) + 1
        return made

    @cached_property
    def _trials_promised(self) -> Mapping[int, int]:
        swept = (event for event in self.events if event.kind is EventKind.SWEEP and event.ask_number is not None)
        return {int(str(event.ask_number)): int(str(event.data["trials"])) for event in swept}
