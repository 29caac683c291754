"""What will probably be proposed next, known while a verdict is still awaited, so that its build can begin.
A guess is a hint and nothing else. Once the verdict is in the log, strategy and proposer are asked in earnest; what was
foreseen wrongly has cost idle cores. So only proposers that are pure functions of the log may be asked here, not those
that are paid.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from kernelsmith.core.attempt import Ask, Attempt, Proposal
from kernelsmith.core.candidate import Candidate
from kernelsmith.core.history import History
from kernelsmith.core.seams import Proposer, Strategy
from kernelsmith.core.verdict import Interval, Measurement, Promotion, Status, Verdict
from kernelsmith.errors import Exhausted, UsageError

FASTER, AS_FAST, SLOWER = 0.9, 1.001, 4.0
"""Guessed times, in those of the incumbent: a new best, one among the best, one of the many. A search that looks at
ranks proposes the same for all times of a kind."""
FIRST_US = 1000.0
"""Of the first kernel that passes, when there is nothing to compare it with."""


class Foresight:
    """Asks ahead, under each verdict that the candidate in flight may get, and hands on what would be built."""

    def __init__(
        self, strategy: Strategy, proposer: Proposer, *, prepare: Callable[[Sequence[Candidate]], None]
    ) -> None:
        self._strategy = strategy
        self._proposer = proposer
        self._prepare = prepare

    def __call__(self, history: History, ask: Ask, proposal: Proposal) -> None:
        """Prepare the candidates that may follow this proposal, the likelier ones first."""
        found = [candidate for guess in _guesses(history) if (candidate := self._next(history, ask, proposal, guess))]
        self._prepare(list({candidate.digest: candidate for candidate in found}.values()))

    def _next(self, history: History, ask: Ask, proposal: Proposal, guess: Verdict) -> Candidate | None:
        """What would be proposed after this verdict; None for nothing new."""
        attempt = Attempt(ask, proposal, guess, history.run.created_at, 0.0)
        then = replace(history, attempts=[*history.attempts, attempt], pending=None)
        number = len(then.attempts)
        try:
            candidate = self._proposer.propose(Ask(number, self._strategy.ask(then, number)), then).candidate
        except (Exhausted, UsageError):  # told when it is asked for in earnest
            return None
        return candidate if candidate and then.identical(candidate.digest) is None else None


def _guesses(history: History) -> Iterator[Verdict]:
    """The kinds of verdict that a search tells apart."""
    best = history.incumbent.verdict.measurement if history.incumbent else None
    if best is None:
        yield Verdict(Status.BUILD_FAILED, "a guess")
        first = Interval(FIRST_US, FIRST_US)
        yield _passed(Measurement(FIRST_US, first, 0.01, 0.01, 1.0, "", FIRST_US), promotion=Promotion.FIRST)
        return
    yield _passed(_at(best, SLOWER))
    yield _passed(_at(best, FASTER), promotion=Promotion.DUEL)
    yield _passed(_at(best, AS_FAST))
    yield Verdict(Status.BUILD_FAILED, "a guess")


def _at(best: Measurement, factor: float) -> Measurement:
    return replace(best, time_us=best.time_us * factor, utilization=best.utilization / factor)


def _passed(measurement: Measurement, *, promotion: Promotion | None = None) -> Verdict:
    return Verdict(Status.PASSED, "a guess", measurement, promotion)
