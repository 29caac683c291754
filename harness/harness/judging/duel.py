"""The duel: two workers in turn on the same secret inputs, A B B A; only a duel calls a difference real."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.checking import inputs
from harness.contract import TIMING
from harness.devices import Monitor
from harness.judging.judgement import IncumbentFailed
from harness.timing.failure import CandidateFailed
from harness.timing.session import TimedBatch, TimingSession
from harness.wire import messages as wire
from harness.worker import WorkerDied, WorkerOverdue

MARGIN: float = TIMING["duel"]["margin"]
"""A candidate is promoted if the interval of its speedup lies above this."""
RESAMPLES: int = TIMING["duel"]["resamples"]
TURNS = 4
"""Turns of a quad."""


@dataclass(frozen=True)
class Duel:
    """The paired ratios of a duel, one a quad: opponent's time / contender's time."""

    ratios: NDArray[np.float64]
    planned: int
    """Quads that were planned; fewer ratios mean that the duel was given up."""
    disturbance: str = ""
    """What else ran on the device during the duel, in words."""
    contender_s: float = 0.0
    """The contender's seconds per call, median of its turns."""

    @property
    def speedup(self) -> float:
        """The median of the paired ratios."""
        return float(np.median(self.ratios))

    @property
    def interval(self) -> tuple[float, float]:
        """Bootstrap 95 % interval of the median; the resampling seed is fixed, so a recorded duel reads the same."""
        rng = np.random.default_rng(len(self.ratios))
        medians = np.median(rng.choice(self.ratios, size=(RESAMPLES, len(self.ratios))), axis=1)
        low, high = np.quantile(medians, [0.025, 0.975])
        return float(low), float(high)

    @property
    def won(self) -> bool:
        """Whether the contender is faster by more than the margin."""
        return len(self.ratios) == self.planned and self.interval[0] > MARGIN

    def on_wire(self) -> wire.Duel:
        """Return the duel as an answer tells it."""
        return wire.Duel(self.speedup, wire.Interval(*self.interval), len(self.ratios))


@dataclass(frozen=True, slots=True)
class DuelTerms:
    """How a duel is fought."""

    quads: int
    calls: int = 1
    """Calls of a turn."""
    as_graph: bool = False
    """Whether the calls of a turn run as a CUDA graph where they can be captured."""
    futility_every: int = 1 << 30
    """Quads after which a duel that cannot be won any more is given up."""


def fight(contender: TimingSession, opponent: TimingSession, terms: DuelTerms, *, monitor: Monitor) -> Duel:
    """Run the quads and verify every output of both sides.

    One turn of each side goes before and is not counted, because it loads code, which one side may have loaded before.
    The monitor looks after every quad: other work makes the interval wide, and the duel says what it was.

    Raises:
        Failed, WorkerDied, WorkerOverdue: the contender's output was wrong, late or missing.
        IncumbentFailed: the opponent's was.
    """
    return _RunningDuel(*_captured(contender, opponent, terms), terms, monitor).fought()


def _captured(
    contender: TimingSession, opponent: TimingSession, terms: DuelTerms
) -> tuple[TimingSession, TimingSession]:
    if not terms.as_graph:
        return contender, opponent
    contender = contender.capture(range(terms.calls))
    with _blame(is_opponent=True):
        return contender, opponent.capture(range(terms.calls))


@dataclass(frozen=True)
class _RunningDuel:
    """A duel under way."""

    contender: TimingSession
    opponent: TimingSession
    terms: DuelTerms
    monitor: Monitor

    def fought(self) -> Duel:
        logs, contender_s = list[float](), list[float]()
        self._pair(self.contender, self.opponent)
        self.monitor.look(batches=TURNS // 2)
        for number in range(self.terms.quads):
            if number % self.terms.futility_every == 0 and _is_lost(logs):
                break
            times = [self._pair(self.contender, self.opponent), self._pair(self.opponent, self.contender)]
            logs.append(float(np.mean([np.log(theirs / ours) for ours, theirs in times])))
            contender_s += [ours for ours, _ in times]
            self.monitor.look(batches=TURNS)
        return Duel(np.exp(np.array(logs)), self.terms.quads, self.monitor.disturbance(), float(np.median(contender_s)))

    def _pair(self, *sides: TimingSession) -> tuple[float, float]:
        """Run a turn of each side in this order on fresh inputs; return the contender's, then the other's seconds."""
        key, sets = inputs.fresh_key(), range(self.terms.calls)
        self.contender.refresh(sets, key)
        restore = self.contender.keep(sets, key)
        seconds = {}
        for side in sides:
            # Without this the second side finds the inputs warm, or flushed by the first.
            restore()
            seconds[side is self.contender] = self._turn(side, key).time.call_s
        return seconds[True], seconds[False]

    def _turn(self, side: TimingSession, key: str) -> TimedBatch:
        """Run one verified turn of one side."""
        with _blame(is_opponent=side is not self.contender):
            batch = side.run(range(self.terms.calls), key)
            batch.verify()
        return batch


def _is_lost(logs: list[float]) -> bool:
    return bool(logs) and Duel(np.exp(np.array(logs)), len(logs)).interval[1] < MARGIN


@contextmanager
def _blame(*, is_opponent: bool) -> Iterator[None]:
    """Keep a failure of the opponent's from being the contender's verdict."""
    try:
        yield
    except (CandidateFailed, WorkerDied, WorkerOverdue) as failure:
        if is_opponent:
            raise failed_incumbent(failure) from failure
        raise


def failed_incumbent(failure: CandidateFailed | WorkerDied | WorkerOverdue) -> IncumbentFailed:
    """Return what an opponent's failure means for a duel."""
    of_death = "timed_out" if isinstance(failure, WorkerOverdue) else "crashed"
    return IncumbentFailed(failure, status=failure.status if isinstance(failure, CandidateFailed) else of_death)
