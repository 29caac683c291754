"""The duel: two workers in turn on the same secret inputs, A B B A; the only thing that calls a difference real."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.checking import inputs
from harness.contract import TIMING
from harness.devices import Watch
from harness.timing.clock import Run, Stand
from harness.timing.failure import Failed
from harness.wire import messages as wire
from harness.worker.doorbell import WorkerDied, WorkerOverdue

MARGIN: float = TIMING["duel"]["margin"]
"""Promotion asks for a speedup whose interval lies above this."""
RESAMPLES: int = TIMING["duel"]["resamples"]
TURNS = 4
"""Of a quad."""


class IncumbentFailed(Exception):
    """The incumbent gave a wrong output, or none: it loses, whatever the contender's time."""

    def __init__(self, failure: Exception) -> None:
        super().__init__(str(failure))
        of_death = "timed_out" if isinstance(failure, WorkerOverdue) else "crashed"
        self.status = failure.status if isinstance(failure, Failed) else of_death


@dataclass(frozen=True)
class Duel:
    """The paired ratios of a duel: incumbent time / contender time, one a quad."""

    ratios: NDArray[np.float64]
    planned: int
    """Quads that were to be fought; fewer ratios mean that it was given up."""
    disturbance: str = ""
    """What else ran on the device meanwhile, in words."""
    contender_s: float = 0.0
    """The contender's seconds a call, median of its turns."""

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
        """As an answer."""
        return wire.Duel(self.speedup, wire.Interval(*self.interval), len(self.ratios))


def fight(
    contender: Stand, incumbent: Stand, *, quads: int, calls: int = 1, as_graph: bool = False, deadline_s: float,
    futility_every: int, watch: Watch,
) -> Duel:  # fmt: skip
    """Run the quads, a turn of each being so many calls; every output of both sides is verified.

    A turn of either side goes before, and counts for nobody: it loads code, and one of them may have done so before.
    The watch looks after every quad; noise makes the interval wide, and what made it is told.

    Raises:
        Failed, WorkerDied, WorkerOverdue: the contender's output was wrong, came late, or not at all.
        IncumbentFailed: the incumbent's.
    """
    logs, contender_s = list[float](), list[float]()
    sets = range(calls)
    if as_graph:
        contender = contender.capture(sets, deadline_s=deadline_s)
        with _blame(is_incumbent=True):
            incumbent = incumbent.capture(sets, deadline_s=deadline_s)
    _pair((contender, incumbent), sets, contender=contender, deadline_s=deadline_s)
    watch.look(batches=TURNS // 2)
    for number in range(quads):
        if number % futility_every == 0 and _is_lost(logs):
            break
        pairs = ((contender, incumbent), (incumbent, contender))
        times = [_pair(pair, sets, contender=contender, deadline_s=deadline_s) for pair in pairs]
        logs.append(float(np.mean([np.log(theirs / ours) for ours, theirs in times])))
        contender_s += [ours for ours, _ in times]
        watch.look(batches=TURNS)
    return Duel(np.exp(np.array(logs)), quads, watch.disturbance(), float(np.median(contender_s)))


def _is_lost(logs: list[float]) -> bool:
    return bool(logs) and Duel(np.exp(np.array(logs)), len(logs)).interval[1] < MARGIN


def _pair(pair: tuple[Stand, Stand], sets: range, *, contender: Stand, deadline_s: float) -> tuple[float, float]:
    """One turn of each side in the given order on fresh inputs; (contender's, incumbent's) seconds a call."""
    key = inputs.fresh_key()
    contender.refresh(sets, key)
    restore = contender.keep(sets, key)
    seconds = {}
    for stand in pair:
        # Else whoever comes second finds them warm, or flushed by the first.
        restore()
        run = _one(stand, sets, key, is_incumbent=stand is not contender, deadline_s=deadline_s)
        seconds[stand is contender] = run.reading.call_s
    return seconds[True], seconds[False]


def _one(stand: Stand, sets: range, key: str, *, is_incumbent: bool, deadline_s: float) -> Run:
    """One verified turn of one side."""
    with _blame(is_incumbent=is_incumbent):
        run = stand.run(sets, key, deadline_s=deadline_s)
        run.verify(np.random.default_rng(secrets.randbits(128)))
    return run


@contextmanager
def _blame(*, is_incumbent: bool) -> Iterator[None]:
    """A failure of the incumbent's is no verdict on the contender."""
    try:
        yield
    except (Failed, WorkerDied, WorkerOverdue) as failure:
        if is_incumbent:
            raise IncumbentFailed(failure) from failure
        raise
