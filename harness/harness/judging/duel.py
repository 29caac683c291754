"""The duel: two workers run in turn (A B B A) on the same secret inputs. No other comparison makes a new incumbent."""

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
"""A duel is won if the lower end of the speedup's interval is above this ratio."""
RESAMPLES: int = TIMING["duel"]["resamples"]
"""Number of resamples of the bootstrap."""
TURNS = 4
"""Number of turns in a quad."""


@dataclass(frozen=True)
class Duel:
    """The result of a duel: one paired ratio per quad, each the opponent's time divided by the contender's time."""

    ratios: NDArray[np.float64]
    planned: int
    """Number of planned quads. Fewer ratios mean that the duel was given up."""
    disturbance: str = ""
    """Other work that ran on the device during the duel, in words; empty if none did."""
    contender_s: float = 0.0
    """The contender's seconds per call, the median of its turns."""

    @property
    def speedup(self) -> float:
        """Return the median of the paired ratios; above 1 the contender is faster."""
        return float(np.median(self.ratios))

    @property
    def interval(self) -> tuple[float, float]:
        """Return the bootstrap 95 % interval of the median. The seed of the resampling is fixed, so the same ratios
        always give the same interval.
        """
        rng = np.random.default_rng(len(self.ratios))
        medians = np.median(rng.choice(self.ratios, size=(RESAMPLES, len(self.ratios))), axis=1)
        low, high = np.quantile(medians, [0.025, 0.975])
        return float(low), float(high)

    @property
    def won(self) -> bool:
        """Return whether all planned quads were run and the contender is faster by more than the margin."""
        return len(self.ratios) == self.planned and self.interval[0] > MARGIN

    def on_wire(self) -> wire.Duel:
        """Return the result as a message of the wire protocol."""
        return wire.Duel(self.speedup, wire.Interval(*self.interval), len(self.ratios))


@dataclass(frozen=True, slots=True)
class DuelTerms:
    """The number of quads of a duel, and how the calls of each turn run."""

    quads: int
    calls: int = 1
    """Calls of a turn."""
    as_graph: bool = False
    """Whether the calls of a turn run as one CUDA graph, if they can be captured."""
    futility_every: int = 1 << 30
    """Number of quads between checks for a duel that can no longer be won, which is then given up."""


def fight(contender: TimingSession, opponent: TimingSession, terms: DuelTerms, *, monitor: Monitor) -> Duel:
    """Run the quads of a duel, verify every output of both sides, and return the result. One turn of each side runs
    first and is not counted, because the first turn also loads code. `monitor` looks for other work after every quad.

    Raises:
        CandidateFailed, WorkerDied, WorkerOverdue: the contender gave a wrong output, ended or was late.
        IncumbentFailed: the opponent gave a wrong output, ended or was late.
    """
    return _RunningDuel(*_captured(contender, opponent, terms), terms, monitor).fought()


def _captured(
    contender: TimingSession, opponent: TimingSession, terms: DuelTerms
) -> tuple[TimingSession, TimingSession]:
    """Return both sessions, with the calls of a turn captured as CUDA graphs if the terms ask for graphs. Raises
    IncumbentFailed if the opponent fails meanwhile.
    """
    if not terms.as_graph:
        return contender, opponent
    contender = contender.capture(range(terms.calls))
    with _attribute_failure(is_opponent=True):
        return contender, opponent.capture(range(terms.calls))


@dataclass(frozen=True)
class _RunningDuel:
    """A duel that is running: both sessions, the terms and the monitor."""

    contender: TimingSession
    opponent: TimingSession
    terms: DuelTerms
    monitor: Monitor

    def fought(self) -> Duel:
        """Run all quads, or give up early, and return the result."""
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
        """Run one turn of each side, in the order of the arguments, on the same fresh inputs. Return (contender's,
        opponent's) seconds per call.
        """
        key, sets = inputs.fresh_key(), range(self.terms.calls)
        self.contender.refresh(sets, key)
        restore = self.contender.keep(sets, key)
        seconds = {}
        for side in sides:
            # Without this the first side would leave the inputs in the caches, or flush them, for the second side.
            restore()
            seconds[side is self.contender] = self._turn(side, key).time.call_s
        return seconds[True], seconds[False]

    def _turn(self, side: TimingSession, key: str) -> TimedBatch:
        """Run and verify one turn of one side; `key` is the key from which its inputs were generated."""
        with _attribute_failure(is_opponent=side is not self.contender):
            batch = side.run(range(self.terms.calls), key)
            batch.verify()
        return batch


def _is_lost(logs: list[float]) -> bool:
    """Return whether the interval of the speedup already lies below the margin; `logs` holds the logarithms of the
    ratios.
    """
    return bool(logs) and Duel(np.exp(np.array(logs)), len(logs)).interval[1] < MARGIN


@contextmanager
def _attribute_failure(*, is_opponent: bool) -> Iterator[None]:
    """Turn a failure in the `with` block into IncumbentFailed if the opponent caused it; leave the contender's failures
    unchanged.
    """
    try:
        yield
    except (CandidateFailed, WorkerDied, WorkerOverdue) as failure:
        if is_opponent:
            raise failed_incumbent(failure) from failure
        raise


def failed_incumbent(failure: CandidateFailed | WorkerDied | WorkerOverdue) -> IncumbentFailed:
    """Return an IncumbentFailed exception for a failure of the opponent in a duel, with the status that the failure
    means.
    """
    status_of_end = "timed_out" if isinstance(failure, WorkerOverdue) else "crashed"
    return IncumbentFailed(failure, status=failure.status if isinstance(failure, CandidateFailed) else status_of_end)
