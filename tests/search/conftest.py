"""Histories that grow as the ladder asks: the directives are its own, the outcomes are told by the test."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self

import pytest

from kernelsmith.core.attempt import Ask, Attempt, Directive, Origin, Proposal, Stance
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.history import History
from kernelsmith.core.run import Run, RunConfig
from kernelsmith.core.verdict import Interval, Measurement, Promotion, Status, Verdict
from kernelsmith.search import Ladder

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class Story:
    """A run, told outcome by outcome; the incumbent is whatever is faster than all before it."""

    def __init__(self, *, plateau: int, seed: int) -> None:
        self.config = RunConfig("cpu_matmul", "tuner", plateau=plateau, seed=seed)
        self.attempts: list[Attempt] = []

    @property
    def history(self) -> History:
        """The run as it stands."""
        return History(Run(1, "night", self.config, "0" * 64, NOW), tuple(self.attempts))

    @property
    def next(self) -> Directive:
        """What the ladder asks for now."""
        return Ladder(self.config).ask(self.history, len(self.attempts))

    @property
    def stances(self) -> list[Stance]:
        """The rung of every attempt so far."""
        return [attempt.stance for attempt in self.attempts]

    def passes(self, *utilizations: float, parent: int | None = None) -> Self:
        """One attempt each; the proposer takes the directive's parent unless the test names another."""
        for utilization in utilizations:
            best = self.history.incumbent
            better = best is None or utilization > (best.verdict.utilization or 0)
            time_us = 1000 / utilization
            measurement = Measurement(
                time_us, Interval(time_us, time_us), utilization, utilization * 1e9, 1e9, "fp32", time_us
            )
            promotion = (Promotion.DUEL if best else Promotion.FIRST) if better else None
            self._add(Verdict(Status.PASSED, "", measurement, promotion), parent=parent)
        return self

    def fails(self, status: Status = Status.INCORRECT, *, times: int = 1) -> Self:
        """Attempts that are broken in this way."""
        for _ in range(times):
            self._add(Verdict(status, "no fenced block"))
        return self

    def repeats(self, number: int) -> Self:
        """An attempt that is refused because it was judged before."""
        twin = self.attempts[number].proposal.candidate
        assert twin is not None
        return self._add(Verdict(Status.REJECTED, f"identical to {number}"), source=twin.source)

    def _add(self, verdict: Verdict, *, source: str | None = None, parent: int | None = None) -> Self:
        number, directive = len(self.attempts), self.next
        parent = directive.parent if parent is None else parent
        candidate = Candidate(source or f"/* {number} */", Language.C)
        if verdict.status is Status.NO_CANDIDATE:
            proposal = Proposal(Origin.MODEL, "", None, parent, verdict.detail)
        else:
            proposal = Proposal(Origin.MODEL, "", candidate, parent)
        self.attempts.append(Attempt(Ask(number, directive), proposal, verdict, NOW, 1.0))
        return self


@pytest.fixture
def story() -> Callable[..., Story]:
    """Begin a run: `story(plateau=3).passes(0.2).fails()`."""

    def begin(*, plateau: int = 3, seed: int = 0) -> Story:
        return Story(plateau=plateau, seed=seed)

    return begin
