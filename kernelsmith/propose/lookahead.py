"""Guess the next candidates while the harness still judges the present one, so that idle processor cores can build them
ahead of time.

A guess changes no result: after the verdict is in the log, strategy and proposer are asked again. Therefore a
lookahead needs a proposer that is a pure function of the log and costs no money.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from kernelsmith.core.attempt import Ask, Attempt, Proposal
from kernelsmith.core.candidate import Candidate
from kernelsmith.core.history import History
from kernelsmith.core.kinds import Unit
from kernelsmith.core.seams import Proposer, Strategy
from kernelsmith.core.verdict import Interval, Measurement, Promotion, Status, Verdict
from kernelsmith.errors import Exhausted, UsageError

FASTER, AS_FAST, SLOWER = 0.9, 1.001, 4.0
"""Guessed times as multiples of the incumbent's time: a new best, nearly as fast, much slower. A proposer that ranks
attempts by time proposes the same candidate for every time within one of these classes."""
FIRST_US = 1000.0
"""Guessed time of the first kernel that passes, in us per call."""


class Lookahead:
    """An object that guesses the next candidates while the present one is judged: for each kind of verdict that the
    present one may get, it asks `strategy` for the next step and `proposer` for a candidate. It passes a list of these
    candidates to the callback `prepare(candidates)`, which starts to build them and returns at once. A session calls
    it.
    """

    def __init__(
        self, strategy: Strategy, proposer: Proposer, *, prepare: Callable[[Sequence[Candidate]], None]
    ) -> None:
        self._strategy = strategy
        self._proposer = proposer
        self._prepare = prepare

    def __call__(self, history: History, ask: Ask, proposal: Proposal) -> None:
        """Pass the candidates that may follow `proposal` to the callback `prepare` as a list, the likeliest first, each
        once; return nothing. `proposal` is the answer to `ask` that the harness judges now, and `history` is the run
        without it. A verdict after which the proposer would have no new candidate adds none.
        """
        guessed = [candidate for guess in _guesses(history) if (candidate := self._next(history, ask, proposal, guess))]
        self._prepare(list({candidate.digest: candidate for candidate in guessed}.values()))

    def _next(self, history: History, ask: Ask, proposal: Proposal, guess: Verdict) -> Candidate | None:
        """Return the candidate that would follow if `proposal`, the answer to `ask`, got `guess` as its verdict;
        `history` is the run without it. Return None if the proposer would have no candidate, would raise Exhausted or
        UsageError, or would propose one that was judged before.
        """
        number, trial = history.highest_attempt + 1, len(history.trials_of(ask.number))
        attempt = Attempt(number, ask, trial, proposal, guess, history.run.created_at, 0.0)
        guessed_history = replace(history, attempts=[*history.attempts, attempt])
        following = self._following(ask, guessed_history)
        try:
            candidate = self._proposer.propose(following, guessed_history.as_seen_by(following)).candidate
        except (Exhausted, UsageError):  # the loop meets the same error when it asks, and reports it
            return None
        return candidate if candidate and guessed_history.identical(candidate.digest) is None else None

    def _following(self, ask: Ask, history: History) -> Ask:
        """Return the ask that the search loop would answer after `ask`: the oldest other open ask of `history`, or, if
        none is open, a new one with the strategy's next directive. The log does not change.
        """
        waiting = [other for other in history.open_asks if other.number != ask.number]
        if waiting:
            return waiting[0]
        number = max([ask.number, *(other.number for other in history.asks)]) + 1
        return Ask(number, self._strategy.ask(history, number), history.highest_attempt)


def _guesses(history: History) -> Iterator[Verdict]:
    """Yield made-up verdicts for the present candidate, the likeliest first, one for each kind of outcome after which
    strategy or proposer acts differently: much slower than the best kernel of `history`, faster, about as fast, not
    built. If no kernel has passed yet, there are two: not built, and passed.
    """
    best = history.incumbent.verdict.measurement if history.incumbent else None
    if best is None:
        yield Verdict(Status.BUILD_FAILED, "a guess")
        first = Interval(FIRST_US, FIRST_US)
        yield _passed(Measurement(FIRST_US, first, 0.01, 0.01, 1.0, Unit.FP32, FIRST_US), promotion=Promotion.FIRST)
        return
    yield _passed(_at(best, SLOWER))
    yield _passed(_at(best, FASTER), promotion=Promotion.DUEL)
    yield _passed(_at(best, AS_FAST))
    yield Verdict(Status.BUILD_FAILED, "a guess")


def _at(best: Measurement, factor: float) -> Measurement:
    return replace(best, time_us=best.time_us * factor, utilization=best.utilization / factor)


def _passed(measurement: Measurement, *, promotion: Promotion | None = None) -> Verdict:
    return Verdict(Status.PASSED, "a guess", measurement, promotion)
