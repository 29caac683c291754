"""The duel: two workers run in turn (A B B A) on the same secret inputs. Only a duel decides which of two similar
candidates is faster.
"""

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
    """The result of a duel: `ratios`, one per quad (four turns A B B A), each the opponent's time divided by the
    contender's time; the number of planned quads; what disturbed the device; and the contender's seconds per call.
    `fight` makes it.
    """

    ratios: NDArray[np.float64]
    planned: int
    """Number of planned quads. Fewer ratios mean that the duel was given up."""
    disturbance: str = ""
    """Other work that ran on the device during the duel, in words; empty if none did."""
    contender_s: float = 0.0
    """The contender's seconds per call, the median of its turns."""

    @property
    def speedup(self) -> float:
        """Return the median ratio of the opponent's time to the contender's time over all quads (four turns A B B A);
        above 1 the contender is faster. NaN if the duel has no ratios.
        """
        return float(np.median(self.ratios))

    @property
    def interval(self) -> tuple[float, float]:
        """Return (low, high), the bootstrap 95 % interval of the speedup, which is the median ratio of the opponent's
        time to the contender's. The seed of the resampling is fixed, so the same ratios always give the same interval.
        Raises ValueError if the duel has no ratios.
        """
        rng = np.random.default_rng(len(self.ratios))
        medians = np.median(rng.choice(self.ratios, size=(RESAMPLES, len(self.ratios))), axis=1)
        low, high = np.quantile(medians, [0.025, 0.975])
        return float(low), float(high)

    @property
    def won(self) -> bool:
        """Return True if all planned quads (four turns A B B A) were run and the low end of the speedup's 95 % interval
        is above MARGIN, a ratio slightly above 1; False otherwise, also if the duel was given up early.
        """
        return len(self.ratios) == self.planned and self.interval[0] > MARGIN

    def on_wire(self) -> wire.Duel:
        """Return the speedup, its interval and the number of quads (four turns A B B A) as a wire message, which the
        judge sends to the agent.
        """
        return wire.Duel(self.speedup, wire.Interval(*self.interval), len(self.ratios))


@dataclass(frozen=True, slots=True)
class DuelTerms:
    """Settings of a duel: the number of quads (four turns A B B A), the calls of each turn, whether a turn runs as a
    CUDA graph, and after how many quads the judge checks each time whether the contender can still win.
    `PairedComparison.terms` chooses the values.
    """

    quads: int
    calls: int = 1
    """Calls of a turn."""
    as_graph: bool = False
    """Whether the calls of a turn run as one CUDA graph, if they can be captured."""
    futility_every: int = 1 << 30
    """Number of quads between checks for a duel that can no longer be won, which is then given up."""


def fight(contender: TimingSession, opponent: TimingSession, terms: DuelTerms, *, monitor: Monitor) -> Duel:
    """Run a duel between two timing sessions in quads (four turns A B B A), as `terms` says, verify every output of
    both sides, and return the result. `monitor` looks for work of other processes after every quad. Raises
    CandidateFailed if an output of the contender is wrong, WorkerDied if its worker ended, WorkerOverdue if it missed a
    deadline, and IncumbentFailed if any of these happens to the opponent.

    One turn of each side runs first and is not counted, because the first turn also loads code.
    """
    return _RunningDuel(*_captured(contender, opponent, terms), terms, monitor).fought()


def _captured(
    contender: TimingSession, opponent: TimingSession, terms: DuelTerms
) -> tuple[TimingSession, TimingSession]:
    """Return (contender, opponent): the given sessions, or sessions that run a turn as one CUDA graph if the terms ask
    for graphs. Raises WorkerDied if the contender's worker ended, WorkerOverdue if it missed its deadline, and
    IncumbentFailed if either happens to the opponent's.
    """
    if not terms.as_graph:
        return contender, opponent
    contender = contender.capture(range(terms.calls))
    with _attribute_failure(is_opponent=True):
        return contender, opponent.capture(range(terms.calls))


@dataclass(frozen=True)
class _RunningDuel:
    """A duel while it runs: the timing sessions of contender and opponent, the terms, and the monitor that looks for
    other work on the device. `fight` makes it and returns what `fought` returns.
    """

    contender: TimingSession
    opponent: TimingSession
    terms: DuelTerms
    monitor: Monitor

    def fought(self) -> Duel:
        """Run all quads (four turns A B B A) of the duel, or fewer if it cannot be won any more, and return the result.
        Raises CandidateFailed, WorkerDied (worker ended) or WorkerOverdue (deadline missed) if the contender fails, and
        IncumbentFailed if the opponent fails.
        """
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
        """Run one turn of each side, in the order of `sides`, on the same fresh inputs. Return (contender's,
        opponent's) seconds per call, whatever the order was. Raises CandidateFailed, WorkerDied or WorkerOverdue if the
        contender fails, and IncumbentFailed if the opponent fails.
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
        """Run one turn (one batch) of `side`, the session of contender or opponent, verify every output, and return the
        timed batch. `key` is the hexadecimal key from which its inputs were generated. Raises CandidateFailed,
        WorkerDied or WorkerOverdue if the side is the contender and fails, and IncumbentFailed if the opponent fails.
        """
        with _attribute_failure(is_opponent=side is not self.contender):
            batch = side.run(range(self.terms.calls), key)
            batch.verify()
        return batch


def _is_lost(logs: list[float]) -> bool:
    """Return whether the 95 % interval of the speedup so far lies below MARGIN, the ratio that a win needs, so that the
    duel can be given up. `logs` holds the natural logarithms of the ratios so far (opponent's time divided by
    contender's), one per quad (four turns A B B A); the result is False if it is empty.
    """
    return bool(logs) and Duel(np.exp(np.array(logs)), len(logs)).interval[1] < MARGIN


@contextmanager
def _attribute_failure(*, is_opponent: bool) -> Iterator[None]:
    """Run the `with` block for one side of a duel. If `is_opponent`, a CandidateFailed, WorkerDied or WorkerOverdue
    from the block becomes IncumbentFailed; otherwise it passes through unchanged. Yields None.
    """
    try:
        yield
    except (CandidateFailed, WorkerDied, WorkerOverdue) as failure:
        if is_opponent:
            raise failed_incumbent(failure) from failure
        raise


def failed_incumbent(failure: CandidateFailed | WorkerDied | WorkerOverdue) -> IncumbentFailed:
    """Return (not raise) the IncumbentFailed exception for a failure of the opponent in a duel. Its status is that of a
    CandidateFailed, `timed_out` for WorkerOverdue (deadline missed), and `crashed` for WorkerDied.
    """
    status_of_end = "timed_out" if isinstance(failure, WorkerOverdue) else "crashed"
    return IncumbentFailed(failure, status=failure.status if isinstance(failure, CandidateFailed) else status_of_end)
