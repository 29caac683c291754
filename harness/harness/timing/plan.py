"""How many calls a batch holds, how many batches a case gets, and how a kind of device is timed."""

import random
from dataclasses import dataclass

import numpy as np

from harness.contract import TIMING, WIRE
from harness.memory.layout import lay_out, sets_that_fit
from harness.task import Case, Task

MIN_BATCHES: int = TIMING["batches"]["fewest"]
"""Batches of a case, however long they are."""
CACHE_MULTIPLE: int = TIMING["batches"]["cache_multiple"]
"""The sets of a case take more than this multiple of the last-level cache where that fits."""
MAX_CALLS: int = WIRE["most_calls"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How a kind of device is timed: one table of the timing policy in contract.toml."""

    target_s: float
    """Length of a batch, seconds."""
    batches: tuple[int, int]
    """Range from which the number of batches is drawn secretly; the task's timing limit caps it."""
    quantile: float
    """Quantile of the batches that is the score."""
    idle_s: float
    """Idle time between the refresh of the inputs and the start of a batch, seconds."""
    refresh_s: float
    """Longest time that refreshing and verifying the sets of one batch may take, seconds."""
    max_bytes: int
    """Most bytes that the sets of one batch take, outputs included."""
    standard_s: float
    """Duration of the trusted candidate whose time beyond it is the dispatch overhead, seconds."""
    pilot_calls: int
    """Calls of the batch that is the main case's pilot; 0 = its correctness call is the pilot."""
    graph_below_s: float
    """Batches of calls shorter than this are captured and run as a CUDA graph; 0 = never."""
    turn_s: float
    """Length of a turn in a duel, at least one call, seconds."""
    turn_idle_s: float
    """Idle time before each turn, which leaves both sides equally warm, seconds."""
    quads: int
    """Quads of a duel."""
    futility_every: int
    """Quads after which a duel that cannot be won any more ends; a win needs all quads."""
    noise: float
    """A candidate within this fraction of the incumbent's time, or within twice the process spread, is a contender."""
    vendor_turn_s: float
    """Length of a turn beside the vendor line, at least one call, seconds."""
    vendor_quads: int
    """Quads of a promoted candidate beside the vendor line."""
    vendor_s: float
    """Longest time of those quads, seconds; where fewer than the policy's `fewest_quads` fit, none is measured."""
    vendor_from: float
    """A promoted candidate slower than this fraction of the vendor line is not measured beside it."""
    sustained_s: float
    """Time of back-to-back calls of a promoted candidate, seconds; 0 where heat does not slow the device."""
    spread: tuple[int, int]
    """Processes, and batches of each, from which the process spread is measured."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How one case is timed."""

    calls: int
    """Calls of a batch."""
    sets: int
    """Sets of operands among which batches rotate."""
    batches: int
    expected_s: float
    """Expected length of one batch, seconds."""
    as_graph: bool
    """Whether a batch runs as a CUDA graph, because launching its calls one by one would take most of the time."""


@dataclass(frozen=True, slots=True)
class Planner:
    """Makes plans for one case on one device."""

    task: Task
    case: Case
    pace: Pace
    set_s: float
    """Seconds to refresh and verify one set."""
    cache_bytes: int
    """Size of the last-level cache."""

    def plan(self, pilot_s: float, *, random_source: random.Random) -> Plan:
        """Return the plan for calls that take `pilot_s`; `random_source` draws the secret number of batches.

        A candidate gains nothing by being slow in the pilot: its batches hold fewer calls, and the same constant is
        deducted from each.
        """
        calls = int(np.clip(self.pace.target_s / pilot_s, 1, min(self._fit, self._affordable_calls)))
        sets = min(self._fit, max(calls, self._sets_that_exceed_the_cache))
        batches = self._batches(calls * (pilot_s + self.set_s) + self.pace.idle_s, random_source=random_source)
        return Plan(calls, sets, batches, expected_s=calls * pilot_s, as_graph=pilot_s < self.pace.graph_below_s)

    @property
    def _fit(self) -> int:
        return min(sets_that_fit(self.task, self.case, max_bytes=self.pace.max_bytes), MAX_CALLS)

    @property
    def _affordable_calls(self) -> int:
        seconds = min(self.pace.refresh_s, self.task.limits.timing_s / self.pace.batches[0])
        return max(1, int(seconds / self.set_s))

    @property
    def _sets_that_exceed_the_cache(self) -> int:
        one = lay_out(self.task, self.case, sets=1)
        return 1 + CACHE_MULTIPLE * self.cache_bytes // (one.input_bytes + one.output_bytes)

    def _batches(self, batch_s: float, *, random_source: random.Random) -> int:
        fewest, most = self.pace.batches
        affordable = int(self.task.limits.timing_s / batch_s)
        return max(MIN_BATCHES, min(random_source.randint(fewest, most), affordable))
