"""Histories for tests of the ladder: the ladder makes the directives, and the test chooses the outcomes."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self

import pytest

from kernelsmith.core.attempt import Ask, Attempt, Directive, NoCandidate, Origin, Proposal, Stance
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.history import History
from kernelsmith.core.kinds import Unit
from kernelsmith.core.run import Budget, Run, RunConfig
from kernelsmith.core.verdict import Interval, Measurement, Promotion, Status, Verdict
from kernelsmith.search import Ladder

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class GrowingRun:
    """A run to which a test adds outcomes one by one; the incumbent is the fastest attempt so far."""

    def __init__(self, *, plateau: int, seed: int, budget: int = 60) -> None:
        self.config = RunConfig("cpu_matmul", "tuner", plateau=plateau, seed=seed, budget=Budget(attempts=budget))
        self.attempts: list[Attempt] = []
        self.asks: list[Ask] = []

    @property
    def history(self) -> History:
        """Return the run with its present asks and attempts."""
        run = Run(1, "night", self.config, "0" * 64, NOW)
        return History(run, tuple(self.attempts), asks=tuple(self.asks))

    @property
    def next(self) -> Directive:
        """Return the directive that the ladder gives for the next ask."""
        return Ladder(self.config).ask(self.history, len(self.asks))

    @property
    def stances(self) -> list[Stance]:
        """Return the stance of every ask so far."""
        return [ask.directive.stance for ask in self.asks]

    def opens_asks(self, count: int) -> Self:
        """Open `count` asks that `answers` can answer later."""
        for _ in range(count):
            self.asks.append(Ask(len(self.asks), self.next, self.history.highest_attempt))
        return self

    def answers(self, ask_number: int, outcome: float | Status) -> Self:
        """Record an attempt of an ask: it passed if `outcome` is a utilization, and failed if it is a status."""
        verdict = self._passed(outcome) if isinstance(outcome, float) else Verdict(outcome, "no fenced block")
        return self._add(verdict, ask=self.asks[ask_number])

    def passes(self, *utilizations: float, parent: int | None = None) -> Self:
        """Add one ask with a passed attempt for each utilization; `parent` replaces the directive's parent."""
        for utilization in utilizations:
            self._add(self._passed(utilization), parent=parent)
        return self

    def fails(self, status: Status = Status.INCORRECT, *, times: int = 1) -> Self:
        """Add `times` asks, each with an attempt of this failed status."""
        for _ in range(times):
            self._add(Verdict(status, "no fenced block"))
        return self

    def sweeps(self, *outcomes: float | Status) -> Self:
        """Add sweep trials with these outcomes to the latest ask."""
        for outcome in outcomes:
            self.answers(-1, outcome)
        return self

    def repeats(self, number: int) -> Self:
        """Add an ask whose candidate is rejected because attempt `number` already judged it."""
        original = self.attempts[number].candidate
        assert original is not None
        return self._add(Verdict(Status.REJECTED, f"identical to {number}"), source=original.source)

    def _passed(self, utilization: float) -> Verdict:
        best = self.history.incumbent
        better = best is None or utilization > (best.verdict.utilization or 0)
        time_us = 1000 / utilization
        measurement = Measurement(
            time_us, Interval(time_us, time_us), utilization, utilization * 1e9, 1e9, Unit.FP32, time_us
        )
        promotion = (Promotion.DUEL if best else Promotion.FIRST) if better else None
        return Verdict(Status.PASSED, "", measurement, promotion)

    def _add(
        self, verdict: Verdict, *, ask: Ask | None = None, source: str | None = None, parent: int | None = None
    ) -> Self:
        ask = ask or self.opens_asks(1).asks[-1]
        number, trial = len(self.attempts), len(self.history.trials_of(ask.number))
        parent = ask.directive.parent if parent is None else parent
        candidate = Candidate(source or f"/* {number} */", Language.C)
        if verdict.status is Status.NO_CANDIDATE:
            proposal = Proposal(Origin.MODEL, "", None, parent, NoCandidate.NO_BLOCK)
        else:
            proposal = Proposal(Origin.MODEL, "", candidate, parent)
        self.attempts.append(Attempt(number, ask, trial, proposal, verdict, NOW, 1.0))
        return self


@pytest.fixture
def story() -> Callable[..., GrowingRun]:
    """Return a function that begins a run: `story(plateau=3).passes(0.2).fails()`."""

    def begin(*, plateau: int = 3, seed: int = 0, budget: int = 60) -> GrowingRun:
        return GrowingRun(plateau=plateau, seed=seed, budget=budget)

    return begin
