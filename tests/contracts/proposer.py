"""The contract of every proposer. A subclass provides two fixtures and inherits the tests.

`run` is the run whose asks are answered; `make` builds a proposer for a history of that run, as a resumed run would.
The proposer must be exhausted within MOST_ASKS asks.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kernelsmith.core.attempt import Ask, Attempt, Proposal
from kernelsmith.core.history import History
from kernelsmith.core.kinds import Unit
from kernelsmith.core.run import Run
from kernelsmith.core.seams import Proposer
from kernelsmith.core.verdict import Interval, Measurement, Promotion, Status, Verdict
from kernelsmith.errors import Exhausted
from kernelsmith.search import Ladder

NOW = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
MOST_ASKS = 40

Make = Callable[[History], Proposer]


class Walk:
    """A run in memory: the ladder asks, the proposer answers, and the candidate's digest decides the verdict."""

    def __init__(self, run: Run, make: Make, *, sweep: int = 0) -> None:
        self.history = History(run)
        self._make = make
        self._sweep = sweep

    def opens(self) -> Ask:
        """Add the next ask."""
        number = len(self.history.asks)
        directive = Ladder(self.history.run.config).ask(self.history, number)
        ask = Ask(number, directive, self.history.highest_attempt)
        self.history = replace(self.history, asks=(*self.history.asks, ask))
        return ask

    def proposal(self, ask: Ask) -> Proposal:
        """Return what a new proposer answers."""
        return self._make(self.history).propose(ask, self.history.as_seen_by(ask))

    def answers(self, ask: Ask) -> Proposal:
        """Record what a new proposer answers, and sweep trials of the same source with an empty line added."""
        proposal = self.proposal(ask)
        for trial in range(1 + self._sweep if proposal.candidate else 1):
            self._record(ask, _varied(proposal, trial), trial)
        return proposal

    def until_exhausted(self) -> Ask:
        """Answer ask after ask; return the ask that the proposer has nothing for."""
        while len(self.history.asks) < MOST_ASKS:
            ask = self.opens()
            try:
                self.answers(ask)
            except Exhausted:
                return ask
        raise AssertionError(f"not exhausted after {MOST_ASKS} asks")

    def _record(self, ask: Ask, proposal: Proposal, trial: int) -> None:
        number = self.history.highest_attempt + 1
        attempt = Attempt(number, ask, trial, proposal, _verdict(proposal, self.history), NOW, 1.0)
        self.history = replace(self.history, attempts=(*self.history.attempts, attempt))


class ProposerContract:
    """What loop, lookahead and resume rely on."""

    @pytest.fixture
    def run(self) -> Run:
        """A run with the config that the proposer reads."""
        raise NotImplementedError

    @pytest.fixture
    def make(self) -> Make:
        """Build a proposer as a resumed run would."""
        raise NotImplementedError

    @pytest.mark.parametrize("sweep", [0, 2])
    def test_the_same_ask_and_history_give_the_same_proposal(self, run: Run, make: Make, sweep: int) -> None:
        walk = Walk(run, make, sweep=sweep)
        for _ in range(3):
            ask = walk.opens()
            assert walk.proposal(ask) == walk.proposal(ask)
            walk.answers(ask)

    def test_what_came_after_an_ask_does_not_change_its_answer(self, run: Run, make: Make) -> None:
        walk = Walk(run, make, sweep=1)
        walk.answers(walk.opens())
        early, other = walk.opens(), walk.opens()
        proposal = walk.proposal(early)
        walk.answers(other)
        walk.opens()
        assert walk.proposal(early) == proposal

    @pytest.mark.parametrize("sweep", [0, 2])
    def test_every_proposal_has_a_candidate_or_a_reason_and_a_parent_that_was_judged(
        self, run: Run, make: Make, sweep: int
    ) -> None:
        walk = Walk(run, make, sweep=sweep)
        walk.until_exhausted()
        for attempt in walk.history.attempts:
            proposal, seen = attempt.proposal, walk.history.as_seen_by(attempt.ask)
            assert (proposal.candidate is None) == (proposal.reason is not None)
            assert proposal.parent is None or seen.attempt(proposal.parent)

    @pytest.mark.parametrize("sweep", [0, 2])
    def test_no_candidate_is_proposed_twice_even_if_attempt_numbers_are_no_ask_numbers(
        self, run: Run, make: Make, sweep: int
    ) -> None:
        walk = Walk(run, make, sweep=sweep)
        walk.until_exhausted()
        proposed = [a.candidate.digest for a in walk.history.attempts if a.candidate and a.trial == 0]
        assert len(proposed) == len(set(proposed)) > 1
        assert (len(walk.history.attempts) > walk.history.answered) == bool(sweep)

    def test_an_exhausted_proposer_stays_exhausted(self, run: Run, make: Make) -> None:
        walk = Walk(run, make, sweep=1)
        ask = walk.until_exhausted()
        for _ in range(2):
            with pytest.raises(Exhausted) as caught:
                walk.proposal(ask)
            assert "\n" not in str(caught.value)


def _varied(proposal: Proposal, trial: int) -> Proposal:
    if not trial or proposal.candidate is None:
        return proposal
    return replace(proposal, candidate=replace(proposal.candidate, source=proposal.candidate.source + "\n" * trial))


def _verdict(proposal: Proposal, history: History) -> Verdict:
    """Return a verdict that depends on the candidate's digest: one in eight is incorrect, the others take a time."""
    if proposal.candidate is None:
        return Verdict(Status.NO_CANDIDATE, proposal.why_empty)
    drawn = int(proposal.candidate.digest[:4], 16)
    if drawn % 8 == 0:
        return Verdict(Status.INCORRECT, "C[0,0] is 1")
    time_us, best = 100.0 + drawn % 1000, history.incumbent
    figures = Measurement(time_us, Interval(time_us, time_us), 10 / time_us, 1e10 / time_us, 1e9, Unit.FP32, time_us)
    if best is None:
        return Verdict(Status.PASSED, "", figures, Promotion.FIRST)
    is_faster = figures.utilization > (best.verdict.utilization or 0)
    return Verdict(Status.PASSED, "", figures, Promotion.DUEL if is_faster else None)
