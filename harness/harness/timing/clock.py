"""The clock: how many calls a batch holds, how a batch is timed, and what the times mean.

A batch is timed from before the worker is let go until the judge has itself read samples of every output, so a worker
gains nothing by saying "done" early. One calibrated constant is deducted, nothing else. After the batch all outputs are
verified while the worker stands still; after the last one the worker is dead, and the samples must still be there.
"""

import gc
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.checking import inputs
from harness.contract import TIMING
from harness.guards import guard
from harness.memory import Arena, Region, Restore
from harness.memory.layout import Layout, lay_out, sets_that_fit
from harness.task import Case, Task
from harness.timing.failure import Failed
from harness.worker.doorbell import CALL, CAPTURE, MAX_CALLS, REPLAY, Worker

MIN_BATCHES: int = TIMING["batches"]["fewest"]
"""However long the batches are."""
SAMPLES: int = TIMING["batches"]["output_samples"]
"""Output elements that are read before the clock stops, at least."""
LEAST_LEFT: float = TIMING["batches"]["least_left"]
"""Of a batch's time, at least this part counts, whatever constant is deducted."""
RESAMPLES: int = TIMING["batches"]["resamples"]
CACHE_MULTIPLE: int = TIMING["batches"]["cache_multiple"]
"""Sets take more than this many times the last-level cache where that fits."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a kind of device is timed; DESIGN's rules, one row a device."""

    target_s: float
    """Length of a batch."""
    batches: tuple[int, int]
    """The number of batches is drawn secretly from this range, and capped by the task's timing limit."""
    quantile: float
    """Of the batches: the score."""
    idle_s: float
    """Between the inputs' refresh and the go."""
    refresh_s: float
    """A batch has no more sets than can be refreshed and verified in this time."""
    max_bytes: int
    """The sets of one batch take at most this, outputs included."""
    standard_s: float
    """What the trusted candidate lasts whose time beyond that is the constant to deduct."""
    pilot_calls: int
    """Calls of the main case in the batch that is the pilot; 0 = its correctness call serves."""
    graph_below_s: float
    """Batches of calls shorter than this are captured and run as a CUDA graph; 0 = never."""
    turn_s: float
    """Length of a turn in a duel, at least one call."""
    turn_idle_s: float
    """Before each turn: both sides are as warm as each other."""
    quads: int
    """Of a duel."""
    futility_every: int
    """After so many quads a duel that cannot be won any more is ended; a win is only declared after all of them."""
    noise: float
    """A candidate within this of the incumbent, or within twice the between-process spread, is a contender."""
    vendor_turn_s: float
    """Length of a turn beside the vendor line, at least one call."""
    vendor_quads: int
    """Of the vendor line beside a promoted candidate ..."""
    vendor_s: float
    """... whose calls, and the vendor's, take no longer than this together; else the ratio of the scores stands."""
    vendor_from: float
    """Of the vendor line's speed: of a slower candidate the ratio of the scores tells enough."""
    sustained_s: float
    """Back to back for so long, or the task's timing limit; promoted attempts only; 0 = heat does not slow it."""
    spread: tuple[int, int]
    """Processes and batches of each, from which the between-process spread is taken."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How one case is timed."""

    calls: int
    sets: int
    batches: int
    expected_s: float
    """Of one batch, as the pilot lets expect."""
    as_graph: bool
    """Whether calls are so short that launching them one by one would be most of the time."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One batch: time per call in seconds, overhead deducted, the key of its inputs, and what the device said then."""

    call_s: float
    calls: int
    key: str
    telemetry: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Score:
    """The statistic over the readings of one case, seconds a call, with a bootstrap 95 % interval."""

    call_s: float
    low_s: float
    high_s: float


def plan(task: Task, case: Case, *, pace: Pace, pilot_s: float, set_s: float, cache_bytes: int) -> Plan:
    """Choose calls and batches from the pilot and the measured cost of refreshing and verifying one set (`set_s`).

    Being slow in the pilot gains nothing: fewer calls a batch, but the same constant is deducted.
    """
    fit = min(sets_that_fit(task, case, max_bytes=pace.max_bytes), MAX_CALLS)
    affordable = max(1, int(min(pace.refresh_s, task.limits.timing_s / pace.batches[0]) / set_s))
    calls = int(np.clip(pace.target_s / pilot_s, 1, min(fit, affordable)))
    one = lay_out(task, case, sets=1)
    cold = 1 + CACHE_MULTIPLE * cache_bytes // (one.input_bytes + one.output_bytes)
    sets = min(fit, max(calls, cold))
    drawn = pace.batches[0] + secrets.randbelow(pace.batches[1] - pace.batches[0] + 1)
    affordable = int(task.limits.timing_s / (calls * (pilot_s + set_s) + pace.idle_s))
    batches = max(MIN_BATCHES, min(drawn, affordable))
    return Plan(calls, sets, batches, expected_s=calls * pilot_s, as_graph=pilot_s < pace.graph_below_s)


@dataclass(frozen=True)
class Stand:
    """Everything one worker needs to be timed on one case: task, arena, layout, seat."""

    task: Task
    case: Case
    arena: Arena
    layout: Layout
    worker: Worker
    seat: int
    overheads_s: Mapping[float, float]
    """By the idle time before a batch: the constant to deduct. A device that has rested takes longer to begin."""
    graph_overheads_s: Mapping[float, float] = field(default_factory=dict)
    """The same where a graph is launched: no language's own way of launching takes part."""
    idle_s: float = 0.0
    observe: Callable[[], dict[str, float]] = dict
    """Reads the device's telemetry, while a batch runs."""
    is_captured: bool = False
    """Whether the worker holds the calls as a graph, which is run instead."""

    def after(self, idle_s: float) -> "Stand":
        """The same with another idle time."""
        return replace(self, idle_s=idle_s)

    def refresh(self, sets: range, key: str) -> None:
        """Fill the inputs of these sets from a key. Every worker must stand still."""
        self.arena.fill(self.task, self.case, layout=self.layout, sets=sets, key=key)
        self.arena.settle()
        with guard("checksums"):
            self.arena.seal(self.task, self.case, layout=self.layout, sets=sets)
            self.arena.settle()

    def keep(self, sets: range, key: str) -> Restore:
        """What writes these inputs anew, as they were refreshed from the key."""
        return self.arena.keep(self.task, self.case, layout=self.layout, sets=sets, key=key)

    def capture(self, sets: range, *, deadline_s: float) -> "Stand":
        """The same for batches over just these sets, run as a graph where the calls can be captured.

        To be called before inputs are filled: nothing that a candidate does meanwhile is timed.

        Raises:
            WorkerDied, WorkerOverdue: the worker ended meanwhile, or did not.
        """
        self._order(sets, calls=len(sets), manner=CAPTURE)
        self.arena.settle()
        self.worker.go()
        self.worker.wait_done(deadline_s)
        self.worker.stop()
        if not self.worker.has_captured:
            return self
        return replace(self, is_captured=True, overheads_s=self.graph_overheads_s)

    def run(
        self, sets: range, key: str, *, deadline_s: float, expected_s: float = 0.0, calls: int | None = None
    ) -> "Run":
        """Poison, idle, ring, wait, sample: one timed batch over these sets. The worker stands still before and after.

        Telemetry is read in the middle of a batch that is expected to take `expected_s`. More `calls` than sets take
        the sets in turn: never for a score.

        Raises:
            WorkerDied, WorkerOverdue: no reading.
            Failed: the worker takes more memory than the task allows.
        """
        self.arena.settle()
        with guard("poison"):
            region, word = self._poisoned(sets)
        calls = min(calls or len(sets), MAX_CALLS)
        self._order(sets, calls=calls, manner=REPLAY if self.is_captured else CALL)
        self.arena.settle()
        time.sleep(self.idle_s)
        elapsed_s, telemetry = self._time(region, deadline_s=deadline_s, expected_s=expected_s)
        # The constant scatters: what is left of a batch not much longer than it would be noise, or nothing.
        call_s = max(elapsed_s - self.overheads_s.get(self.idle_s, 0.0), elapsed_s * LEAST_LEFT) / calls
        self.worker.stop()
        if said := self.arena.excess(self.task):
            raise Failed("crashed", said)
        return Run(Reading(call_s, calls, key, telemetry), self, sets, region, word)

    def _poisoned(self, sets: range) -> tuple[Region, int]:
        """The outputs of these sets, with secret samples chosen, and the word that they hold."""
        rng = inputs.generator(secrets.token_hex(inputs.KEY_BYTES))
        region = self.arena.region(self.task, self.case, layout=self.layout, sets=sets, seat=self.seat)
        word = inputs.poison_word(rng, item_bytes=self.task.narrowest_output)
        region.poison(word)
        region.choose_samples(rng, at_least=SAMPLES)
        self.arena.settle()
        return region, word

    def _order(self, sets: range, *, calls: int, manner: int) -> None:
        sizes = [self.case.sizes[name] for name in self.task.size_names]
        roles = [buffer.is_output for buffer in self.task.buffers]
        offsets = self.layout.offsets[sets.start + np.arange(calls) % len(sets)]
        self.worker.hand_orders(sizes, offsets=offsets, outputs=roles, manner=manner)

    def _time(self, region: Region, *, deadline_s: float, expected_s: float) -> tuple[float, dict[str, float]]:
        gc.disable()
        try:
            start = time.perf_counter_ns()
            self.worker.go()
            telemetry = self._observe_at(start + int(expected_s * 0.5e9)) if expected_s else {}
            self.worker.wait_done(deadline_s)
            region.read_samples()
            return (time.perf_counter_ns() - start) * 1e-9, telemetry
        finally:
            gc.enable()

    def _observe_at(self, moment_ns: int) -> dict[str, float]:
        """Telemetry at a moment of the monotonic clock; a batch that is over by then is read at its end."""
        while time.perf_counter_ns() < moment_ns and not self.worker.is_done:
            pass
        return self.observe()


@dataclass(frozen=True)
class Run:
    """One batch that was timed and is still to be verified."""

    reading: Reading
    stand: Stand
    sets: range
    region: Region
    poison: int

    def verify(self, rng: np.random.Generator, *, full: bool = False) -> None:
        """Examine every output of the batch; `full` compares each element with the reference.

        Raises:
            Failed: incorrect or tampered.
        """
        self._refuse_tampering()
        self._examine(self.sets, rng=rng, full=full)
        with guard("guard bands"):
            overrun = self.region.overrun(self.poison)
        if overrun:
            raise Failed("incorrect", self._place(f"wrote outside the outputs: {overrun} bytes beside them changed"))

    def verify_one(self, rng: np.random.Generator) -> None:
        """Compare every element of one call, chosen secretly. Raises Failed: incorrect."""
        index = self.sets[int(rng.integers(len(self.sets)))]
        self._examine(range(index, index + 1), rng=rng, full=True)

    def _examine(self, sets: range, *, rng: np.random.Generator, full: bool) -> None:
        stand = self.stand
        with guard("verification"):
            mistake = stand.arena.examine(
                stand.task, stand.case, layout=stand.layout, sets=sets, seat=stand.seat, poison=self.poison, rng=rng,
                full=full,
            )  # fmt: skip
        if mistake:
            raise Failed("incorrect", self._place(mistake.detail))

    def _refuse_tampering(self) -> None:
        arena = self.stand.arena
        with guard("checksums"):
            said = arena.tampered(sets=self.sets)
        with guard("resident work"):
            said = said or arena.busy()
        with guard("samples"):
            late, of = self.region.late_samples()
        if late and not said:
            said = f"{late} of {of} sampled output words changed after the calls had returned"
        if said:
            raise Failed("tampered", self._place(said))

    def _place(self, detail: str) -> str:
        case, reading = self.stand.case, self.reading
        if case.hidden:
            return f"wrong in a hidden case: {case.kind}"
        return f"case {case.name}: {detail} [inputs {case.name}:{reading.calls}:{reading.key}]"


def score(readings: Sequence[Reading], *, quantile: float, rng: np.random.Generator) -> Score:
    """A low quantile of the batches, or their median, with its bootstrap interval."""
    times = np.array([reading.call_s for reading in readings])
    resampled = rng.choice(times, size=(RESAMPLES, len(times)))
    quantiles = np.quantile(resampled, quantile, axis=1)
    value = float(np.quantile(times, quantile))
    low, high = (float(q) for q in np.quantile(quantiles, [0.025, 0.975]))
    return Score(value, min(low, value), max(high, value))
