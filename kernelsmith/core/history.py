"""A run as the log tells it: the one argument of strategies, proposers and reports."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from kernelsmith.core.attempt import Ask, Attempt
from kernelsmith.core.run import Budget, Device, Event, EventKind, Run
from kernelsmith.core.usage import Usage


@dataclass(frozen=True)
class History:
    """Everything that is known of a run at one moment."""

    run: Run
    attempts: Sequence[Attempt] = ()
    events: Sequence[Event] = ()
    pending: Ask | None = None
    """The ask that has no attempt yet, if any."""
    usage: Usage = field(default_factory=Usage)
    """Summed over all model calls."""
    devices: Sequence[tuple[datetime, Device]] = ()
    """What the run was measured on, each time the harness opened the task, with the time (UTC)."""

    @property
    def incumbent(self) -> Attempt | None:
        """The best attempt so far: the last one promoted."""
        return next((a for a in reversed(self.attempts) if a.verdict.promotion), None)

    @property
    def device(self) -> Device | None:
        """As last opened."""
        return self.devices[-1][1] if self.devices else None

    @property
    def task_digest(self) -> str:
        """Of the task folder that the attempts were made for; a run without attempts follows its task."""
        told = (e.data.get("task_digest") for e in reversed(self.events) if e.kind is EventKind.RESUME)
        return str(next(filter(None, told), self.run.task_digest))

    def device_of(self, attempt: Attempt) -> Device | None:
        """What the attempt was measured on: a resumed run may have another peak, and another vendor line."""
        before = [device for at, device in self.devices if at <= attempt.started_at]
        return before[-1] if before else self.device

    @property
    def active_s(self) -> float:
        """Seconds spent on attempts, summed over all resumes."""
        return sum(a.seconds for a in self.attempts)

    @property
    def budget(self) -> Budget:
        """The configured budget with every extension applied."""
        extensions = (e.data for e in self.events if e.kind is EventKind.EXTENSION)
        limits: dict[str, Any] = {key: value for data in extensions for key, value in data.items()}
        return replace(self.run.config.budget, **limits)

    def attempt(self, number: int) -> Attempt | None:
        """The attempt with this number, if it exists."""
        return self.attempts[number] if 0 <= number < len(self.attempts) else None

    def identical(self, digest: str) -> Attempt | None:
        """The attempt that judged a candidate with this digest, if any."""
        return next((a for a in self.attempts if a.proposal.candidate and a.proposal.candidate.digest == digest), None)

    def judgings(self, ask_number: int) -> int:
        """How often the harness was handed this ask's candidate; two without a verdict means it kills the judge.

        Not counted are those that ended in trouble which was not the candidate's.
        """
        kinds = [event.kind for event in self.events if event.ask_number == ask_number]
        return kinds.count(EventKind.JUDGING) - kinds.count(EventKind.TROUBLE)
