"""Plan the timing of a case (calls per batch, number of batches), and define the timing constants that each kind of
device has.
"""

import random
from dataclasses import dataclass

import numpy as np

from harness.contract import TIMING, WIRE
from harness.memory.layout import lay_out, sets_that_fit
from harness.task import Case, Task

MIN_BATCHES: int = TIMING["batches"]["fewest"]
"""Smallest number of batches of a case, however long each takes."""
CACHE_MULTIPLE: int = TIMING["batches"]["cache_multiple"]
"""The operand sets of a case take more than this multiple of the last-level cache, if memory allows."""
MAX_CALLS: int = WIRE["most_calls"]
"""Highest number of calls in one batch."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Timing constants of one kind of device: lengths and numbers of batches and duel turns, idle times, the score's
    quantile, and limits, with times in seconds. `Device.pace` reads them from contract.toml, from the table
    [timing.cpu], [timing.cuda] or, for tasks that measure GPU memory, [timing.cuda_dram].
    """

    target_s: float
    """Length of a batch in seconds."""
    batches: tuple[int, int]
    """Lowest and highest number of batches of a case. The number is drawn secretly from this range; the task's timing
    limit may lower it."""
    quantile: float
    """Quantile of the batches' times that is the score."""
    idle_s: float
    """Idle seconds between the refresh of the inputs and the start of a batch."""
    refresh_s: float
    """Longest time in seconds that refreshing and verifying the operand sets of one batch may take."""
    max_bytes: int
    """Highest number of bytes that the operand sets of one batch take, outputs included."""
    standard_s: float
    """Seconds that the trusted candidate of known duration takes. The dispatch overhead is its measured time minus
    this."""
    pilot_calls: int
    """Calls of the batch that measures the main case's pilot; 0 = the call of the stage `correctness` is the pilot."""
    graph_below_s: float
    """Batches of calls shorter than this many seconds run as a CUDA graph; 0 = never."""
    turn_s: float
    """Length of a turn in a duel in seconds; a turn holds at least one call."""
    turn_idle_s: float
    """Idle seconds before each turn of a duel, so that both sides start equally warm."""
    quads: int
    """Number of quads of a duel."""
    futility_every: int
    """Number of quads between checks for a duel that can no longer be won, which then ends. A win needs all quads."""
    noise: float
    """A candidate slower than the incumbent by at most this fraction, or by at most twice the process spread, is a
    contender."""
    vendor_turn_s: float
    """Length of a turn in the comparison with the vendor line in seconds; a turn holds at least one call."""
    vendor_quads: int
    """Highest number of quads in the comparison of a promoted candidate with the vendor line."""
    vendor_s: float
    """Longest time of the comparison with the vendor line in seconds. If fewer than the policy's `fewest_quads` fit,
    there is no comparison."""
    vendor_from: float
    """A promoted candidate is compared with the vendor line if it reaches more than this fraction of the vendor line's
    speed."""
    sustained_s: float
    """Seconds that a promoted candidate runs without idle gaps; 0 on devices that heat does not slow."""
    spread: tuple[int, int]
    """Number of processes, and of batches in each, that measure the process spread."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Plan for timing one case: calls per batch, number of operand sets (inputs and outputs of one call each), number
    of batches, expected seconds of a batch, and whether a batch runs as a CUDA graph. `Planner.plan` makes it.
    """

    calls: int
    """Calls of a batch."""
    sets: int
    """Number of operand sets among which batches rotate."""
    batches: int
    """Number of batches."""
    expected_s: float
    """Expected length of one batch in seconds."""
    as_graph: bool
    """Whether a batch runs as a CUDA graph, because launching its calls one by one would take most of the time."""


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans the timing of one case. It holds what a plan depends on: the task, the case, the device's timing constants,
    the seconds to refresh one operand set (inputs and outputs of one call), and the size of the device's last-level
    cache in bytes. `OpenTask.plan` and Sizing make one.
    """

    task: Task
    case: Case
    pace: Pace
    set_s: float
    """Seconds to refresh and verify one operand set."""
    cache_bytes: int
    """Size of the device's last-level cache."""

    def plan(self, pilot_s: float, *, random_source: random.Random) -> Plan:
        """Return the plan (calls per batch, number of batches) for calls that take `pilot_s` seconds each, which must
        be above 0. `random_source` draws the secret number of batches. The batch length is limited by the memory and by
        the time that refreshing the inputs takes.

        A candidate gains nothing if it is slow in the pilot: its batches then hold fewer calls, and the same constant
        is deducted from each batch.
        """
        calls = int(np.clip(self.pace.target_s / pilot_s, 1, min(self._fit, self._affordable_calls)))
        sets = min(self._fit, max(calls, self._sets_that_exceed_the_cache))
        batches = self._batches(calls * (pilot_s + self.set_s) + self.pace.idle_s, random_source=random_source)
        return Plan(calls, sets, batches, expected_s=calls * pilot_s, as_graph=pilot_s < self.pace.graph_below_s)

    @property
    def _fit(self) -> int:
        """Return the highest number of calls of one batch: as many as there is memory for their inputs and outputs, and
        at most MAX_CALLS. At least 1.
        """
        return min(sets_that_fit(self.task, self.case, max_bytes=self.pace.max_bytes), MAX_CALLS)

    @property
    def _affordable_calls(self) -> int:
        """Return the highest number of calls of a batch whose inputs can be refreshed and outputs verified within the
        device's time limit for this (`Pace.refresh_s`) and the task's time limit for timing. At least 1.
        """
        seconds = min(self.pace.refresh_s, self.task.limits.timing_s / self.pace.batches[0])
        return max(1, int(seconds / self.set_s))

    @property
    def _sets_that_exceed_the_cache(self) -> int:
        """Return the number of operand sets (inputs and outputs of one call each) that together take more than
        CACHE_MULTIPLE times the device's last-level cache, so that rotating over them keeps no operand in the cache.
        """
        layout = lay_out(self.task, self.case, sets=1)
        return 1 + CACHE_MULTIPLE * self.cache_bytes // (layout.input_bytes + layout.output_bytes)

    def _batches(self, batch_s: float, *, random_source: random.Random) -> int:
        """Return the number of batches to run: drawn by `random_source` from the device's range, but no more than fit
        into the task's timing limit if one batch takes `batch_s` seconds, and at least MIN_BATCHES.
        """
        fewest, most = self.pace.batches
        affordable = int(self.task.limits.timing_s / batch_s)
        return max(MIN_BATCHES, min(random_source.randint(fewest, most), affordable))
