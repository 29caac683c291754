"""Define a run with everything that its log holds, from which strategies, proposers and reports compute results."""

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
"""The stances whose attempts begin a new line."""


@dataclass(frozen=True, slots=True)
class Opponent:
    """The best kernel so far, which the next candidate must beat: the candidate, its score (`time_us`) and the time of
    its fastest batch (`fastest_us`), both in microseconds per call. The harness compares the new times with these and
    runs a duel (both kernels in turn) if they are close enough. `History.opponent` makes it.
    """

    candidate: Candidate
    time_us: float
    """The opponent's score in microseconds per call."""
    fastest_us: float
    """The time of the opponent's fastest batch in microseconds per call."""


@dataclass(frozen=True)
class History:
    """Everything that the log holds of one run at one moment: settings, attempts (judged candidates), events, asks
    (numbered requests for a candidate), tokens and cost of model calls, and devices with the times at which they were
    opened. The log makes it; strategies, proposers and reports only read it.
    """

    run: Run
    attempts: Sequence[Attempt] = ()
    """In the order of recording. An attempt's number may differ from its index."""
    events: Sequence[Event] = ()
    """In the order of recording."""
    asks: Sequence[Ask] = ()
    """All asks, in the order of their numbers."""
    usage: Usage = field(default_factory=Usage)
    """Tokens and cost of all model calls together."""
    devices: Sequence[tuple[datetime, Device]] = ()
    """The device of each opening of the task, with the time of the opening in UTC, oldest first."""

    # --- asks ---

    @cached_property
    def open_asks(self) -> Sequence[Ask]:
        """Return the asks (requests for a candidate) that are not fully answered: fewer attempts are recorded than
        candidates are planned. They are in the order of their numbers. One candidate is planned for an ask, or as many
        as its event `sweep` states.
        """
        made, planned = self._trials_made, self._trials_planned
        return [ask for ask in self.asks if made.get(ask.number, 0) < planned.get(ask.number, 1)]

    @property
    def answered(self) -> int:
        """Return the number of asks with at least one recorded attempt. Budgets and plateaus count these asks, not the
        attempts.
        """
        return len(self._trials_made)

    @property
    def sweep_trials(self) -> int:
        """Return how many attempts only try other values of marked constants: all attempts except the first one of each
        ask.
        """
        return sum(attempt.trial > 0 for attempt in self.attempts)

    def trials_of(self, ask_number: int) -> Sequence[Attempt]:
        """Return the recorded attempts that answer the ask with the number `ask_number`, in the order of recording; the
        sequence is empty if there are none.
        """
        return [attempt for attempt in self.attempts if attempt.ask_number == ask_number]

    def as_seen_by(self, ask: Ask) -> "History":
        """Return a copy of the history that holds only the attempts that existed when `ask` was made, and only the asks
        up to `ask`; events, usage and devices stay complete. Proposers receive the copy, so that a proposal does not
        depend on attempts that were recorded later.
        """
        known = [attempt for attempt in self.attempts if attempt.number <= ask.seen]
        return replace(self, attempts=known, asks=[other for other in self.asks if other.number <= ask.number])

    # --- attempts ---

    @cached_property
    def incumbent(self) -> Attempt | None:
        """Return the best attempt so far, or None if no attempt has passed. It is the latest promoted attempt: the
        first that passed, or the latest that beat the best one before it.
        """
        return next((a for a in reversed(self.attempts) if a.verdict.promotion), None)

    @cached_property
    def opponent(self) -> Opponent | None:
        """Return the candidate of the best attempt with its latest measured times in microseconds per call, for the
        harness to compare the next candidate with; None if no attempt has passed. If the candidate was measured again
        (event `remeasured`), those times replace the times of its verdict.
        """
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
        """Return the utilization of the best attempt (achieved rate as a fraction of the device's peak) from its latest
        measurement, or None if no attempt has passed.
        """
        best = self.incumbent
        again = self.remeasured(best) if best else None
        return float(str(again["utilization"])) if again else best.verdict.utilization if best else None

    @property
    def provenance(self) -> Provenance:
        """Return the versions of the program, harness and prompts and the timing rules that produced the latest
        figures: the values recorded at the run's start, each replaced by the value in the latest `resume` event that
        holds it.
        """
        start = self.run.provenance
        values: dict[str, Any] = {
            f.name: self.resumed_value(f.name) or getattr(start, f.name) for f in fields(Provenance)
        }
        return Provenance(**values)

    def remeasured(self, attempt: Attempt) -> Mapping[str, object] | None:
        """Return the result of the latest repeated measurement of `attempt`, the data of its latest `remeasured` event:
        a dict with times in microseconds, utilization, and the digests of harness and task. Return None if it was never
        measured again.
        """
        remeasurements = (e.data for e in reversed(self.events) if e.kind is EventKind.REMEASURED)
        return next((data for data in remeasurements if data.get("attempt") == attempt.number), None)

    def measured_under(self, attempt: Attempt) -> Mapping[str, object]:
        """Return which program, rules and task produced the latest measurement of `attempt`: a dict with the keys
        `harness_digest`, `timing_policy` and `task_digest`. If the attempt was measured again, the dict also holds the
        other data of that event, such as the new times.
        """
        if again := self.remeasured(attempt):
            return again
        start = self.run.provenance
        conditions: dict[str, object] = {
            "harness_digest": start.harness_digest,
            "timing_policy": start.timing_policy,
            "task_digest": self.run.task_digest,
        }
        resumed = (e.data for e in self.events if e.kind is EventKind.RESUME and e.at <= attempt.started_at)
        for data in resumed:
            conditions |= {key: data[key] for key in conditions.keys() & data.keys()}
        return conditions

    @property
    def highest_attempt(self) -> int:
        """Return the highest attempt number of the run, or -1 if it has no attempt."""
        return max((attempt.number for attempt in self.attempts), default=-1)

    def attempt(self, number: int) -> Attempt | None:
        """Return the attempt whose attempt number is `number`, or None if the run has no such attempt."""
        return self._by_number.get(number)

    def identical(self, digest: str) -> Attempt | None:
        """Return the first attempt whose candidate has the SHA-256 digest `digest`, in order to find duplicates; None
        if no candidate has it.
        """
        return next((a for a in self.attempts if a.candidate and a.candidate.digest == digest), None)

    def line_of(self, ask: Ask, proposal: Proposal, *, number: int) -> int:
        """Return the number of the line (a chain of attempts that descend from one opening or restructuring) to which a
        new attempt will belong: the line of its parent, or `number`, the new attempt's own number, if it begins a line.
        `ask` is the request that it answers, and `proposal` holds its candidate and its parent.

        An attempt without a parent begins a line. So does one whose stance is in BEGINS_A_LINE, unless its parent has
        the same stance.
        """
        parent = self.attempt(proposal.parent) if proposal.parent is not None else None
        stance = ask.directive.stance
        begins = stance in BEGINS_A_LINE and (parent is None or parent.stance is not stance)
        return number if begins or parent is None else parent.line

    @property
    def active_s(self) -> float:
        """Return the seconds that all attempts of the run took together, summed over all resumes. `Budget.hours` limits
        this time.
        """
        return sum(a.seconds for a in self.attempts)

    # --- devices and events ---

    @property
    def device(self) -> Device | None:
        """Return the device recorded when the harness last opened the task (started a judge and calibrated it), or None
        if it never did.
        """
        return self.devices[-1][1] if self.devices else None

    def device_of(self, attempt: Attempt) -> Device | None:
        """Return the device that measured `attempt`: the device of the latest `opened` event before the attempt, or the
        latest of all if none was before. Return None if the harness never opened the task.

        A run that was resumed on another machine has several devices, each with its own peak and vendor line.
        """
        before = [device for at, device in self.devices if at <= attempt.started_at]
        return before[-1] if before else self.device

    @property
    def task_digest(self) -> str:
        """Return the SHA-256 digest of the files in the task folder with which the latest attempts were judged: from
        the latest `resume` event that holds one, else from the run's start.
        """
        return str(self.resumed_value("task_digest") or self.run.task_digest)

    def resumed_value(self, key: str) -> object:
        """Return the value that the latest `resume` event with `key` in its data holds under this key, such as a digest
        that replaces the one from the run's start; None if no such event has the key.
        """
        resumed = (event.data for event in reversed(self.events) if event.kind is EventKind.RESUME)
        return next((data[key] for data in resumed if key in data), None)

    @property
    def budget(self) -> Budget:
        """Return the limits of the run that apply now: those from its start, with each limit replaced that a later
        event `extension` sets.
        """
        extensions = (e.data for e in self.events if e.kind is EventKind.EXTENSION)
        limits: dict[str, Any] = {key: value for data in extensions for key, value in data.items()}
        return replace(self.run.config.budget, **limits)

    def judge_deaths(self, ask_number: int, trial: int) -> int:
        """Return how often the judge's process ended while it judged the candidate number `trial` (0 is the candidate
        as the proposer wrote it) of the proposal for ask number `ask_number`. The result is 0 if this never happened.
        """
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
    def _trials_planned(self) -> Mapping[int, int]:
        swept = (event for event in self.events if event.kind is EventKind.SWEEP and event.ask_number is not None)
        return {int(str(event.ask_number)): int(str(event.data["trials"])) for event in swept}
