"""The clock: how many calls a batch holds, how a batch is timed, and what the times mean.

A batch is timed from before the worker is let go until the judge has itself read samples of every output, so a worker
gains nothing by saying "done" early. One calibrated constant is deducted, nothing else. After the batch all outputs are
verified while the worker stands still; after the last one the worker is dead, and the samples must still be there.
"""

import gc
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import inputs
import verify
from arena import cpu
from doorbell import MAX_CALLS, Worker
from failure import Failed
from task import Array, Case, Task

TARGET_S = 0.010
"""Length of a batch on a CPU."""
BATCHES = (24, 32)
"""The number of batches is drawn secretly from this range ..."""
MIN_BATCHES = 3
"""... and capped by the task's timing limit, but never below this."""
FILL_SHARE = 10
"""A batch's inputs may take this many batch lengths to refresh, and its share of the task's timing limit."""
QUANTILE = 0.10
"""CPU statistic: the low quantile of batches, which noise of other programs hardly moves."""
SAMPLES = 64
"""Output elements that are read before the clock stops, at least."""
LEAST_LEFT = 0.1
"""Of a batch's time, at least this part counts, whatever constant is deducted."""
RESAMPLES = 1000
CACHE_MULTIPLE = 5
"""Sets take more than this many times the last-level cache where that fits."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How one case is timed."""

    calls: int
    sets: int
    batches: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One batch: time per call in seconds, overhead deducted, and the key of its inputs."""

    call_s: float
    calls: int
    key: str


@dataclass(frozen=True, slots=True)
class Score:
    """The statistic over the readings of one case, seconds a call, with a bootstrap 95 % interval."""

    call_s: float
    low_s: float
    high_s: float


def plan(task: Task, case: Case, *, pilot_s: float, set_s: float, cache_bytes: int) -> Plan:
    """Choose calls and batches from the pilot and the measured cost of refreshing and verifying one set (`set_s`).

    Being slow in the pilot gains nothing: fewer calls a batch, but the same constant is deducted.
    """
    fit = min(cpu.sets_that_fit(task, case), MAX_CALLS)
    affordable = max(1, int(min(FILL_SHARE * TARGET_S, task.limits.timing_s / BATCHES[0]) / set_s))
    calls = int(np.clip(TARGET_S / pilot_s, 1, min(fit, affordable)))
    one = cpu.lay_out(task, case, sets=1)
    cold = 1 + CACHE_MULTIPLE * cache_bytes // (one.input_bytes + one.output_bytes)
    sets = min(fit, max(calls, cold))
    drawn = BATCHES[0] + secrets.randbelow(BATCHES[1] - BATCHES[0] + 1)
    affordable = int(task.limits.timing_s / (calls * (pilot_s + set_s)))
    return Plan(calls, sets, max(MIN_BATCHES, min(drawn, affordable)))


@dataclass(frozen=True)
class Stand:
    """Everything one worker needs to be timed on one case: task, arena, layout, seat."""

    task: Task
    case: Case
    arena: cpu.Arena
    layout: cpu.Layout
    worker: Worker
    seat: int
    overhead_s: float

    def refresh(self, sets: range, key: str) -> None:
        """Fill the inputs of these sets from a key. Every worker must stand still."""
        rng = inputs.generator(key)
        for index in sets:
            inputs.fill(self.task, self.case, views=self._inputs(index), rng=rng)

    def operands(self, sets: range) -> list[Array]:
        """A private copy of these sets' inputs."""
        return [view.copy() for index in sets for view in self._inputs(index).values()]

    def restore(self, sets: range, operands: list[Array]) -> None:
        """Write the inputs anew: the judge's core owns their cache lines, whatever a worker warmed up or flushed."""
        views = [view for index in sets for view in self._inputs(index).values()]
        for view, kept in zip(views, operands, strict=True):
            view[...] = kept

    def _inputs(self, index: int) -> Mapping[str, Array]:
        return self.arena.input_views(self.task, self.case, layout=self.layout, index=index)

    def run(self, sets: range, key: str, *, deadline_s: float) -> "Run":
        """Poison, ring, wait, sample: one timed batch over these sets. The worker stands still before and after.

        Raises:
            WorkerDied, WorkerOverdue: no reading.
        """
        rng = inputs.generator(secrets.token_hex(inputs.KEY_BYTES))
        memory = self.arena.outputs[self.seat]
        region = cpu.OutputRegion(self.task, self.case, memory=memory, layout=self.layout, sets=sets)
        word = inputs.poison_word(rng)
        region.poison(word)
        places = region.sample_places(rng, at_least=SAMPLES)
        samples = np.empty(len(places), np.uint32)
        self._order(sets)
        elapsed_s = self._time(region.words, places=places, samples=samples, deadline_s=deadline_s)
        # The constant scatters: what is left of a batch not much longer than it would be noise, or nothing.
        call_s = max(elapsed_s - self.overhead_s, elapsed_s * LEAST_LEFT) / len(sets)
        self.worker.stop()
        return Run(Reading(call_s, len(sets), key), self, sets, region, word, places, samples)

    def _order(self, sets: range) -> None:
        sizes = [self.case.sizes[name] for name in self.task.size_names]
        roles = [buffer.is_output for buffer in self.task.buffers]
        self.worker.hand_orders(sizes, offsets=self.layout.offsets[sets.start : sets.stop], outputs=roles)

    def _time(
        self, words: NDArray[np.uint32], *, places: NDArray[np.intp], samples: NDArray[np.uint32], deadline_s: float
    ) -> float:
        gc.disable()
        try:
            start = time.perf_counter_ns()
            self.worker.go()
            self.worker.wait_done(deadline_s)
            np.take(words, places, out=samples)
            return (time.perf_counter_ns() - start) * 1e-9
        finally:
            gc.enable()


@dataclass(frozen=True)
class Run:
    """One batch that was timed and is still to be verified."""

    reading: Reading
    stand: Stand
    sets: range
    region: cpu.OutputRegion
    poison: int
    places: NDArray[np.intp]
    samples: NDArray[np.uint32]

    def verify(self, rng: np.random.Generator, *, full: bool = False) -> None:
        """Examine every output of the batch; `full` compares each element with the reference.

        Raises:
            Failed: incorrect or tampered.
        """
        self._verify_samples()
        stand = self.stand
        for index in self.sets:
            given = stand.arena.input_views(stand.task, stand.case, layout=stand.layout, index=index)
            got = stand.arena.output_views(stand.task, stand.case, layout=stand.layout, index=index, seat=stand.seat)
            if full:
                mistake = verify.compare(stand.task, stand.case, inputs=given, outputs=got, poison=self.poison)
            else:
                mistake = verify.check_timed(
                    stand.task, stand.case, inputs=given, outputs=got, rng=rng, poison=self.poison
                )
            if mistake:
                raise Failed("incorrect", self._place(mistake.detail))
        if overrun := self.region.overrun(self.poison):
            raise Failed("incorrect", self._place(f"wrote outside the outputs: {overrun} bytes beside them changed"))

    def _verify_samples(self) -> None:
        now = self.region.words[self.places]
        if not np.array_equal(now, self.samples):
            late = int(np.count_nonzero(now != self.samples))
            detail = f"{late} of {len(now)} sampled output words changed after the calls had returned"
            raise Failed("tampered", self._place(detail))

    def _place(self, detail: str) -> str:
        case, reading = self.stand.case, self.reading
        if case.hidden:
            return f"wrong in a hidden case: {case.kind}"
        return f"case {case.name}: {detail} [inputs {case.name}:{reading.calls}:{reading.key}]"


def score(readings: Sequence[Reading], *, rng: np.random.Generator) -> Score:
    """The 10 % quantile of the batches with its bootstrap interval."""
    times = np.array([reading.call_s for reading in readings])
    resampled = rng.choice(times, size=(RESAMPLES, len(times)))
    quantiles = np.quantile(resampled, QUANTILE, axis=1)
    value = float(np.quantile(times, QUANTILE))
    low, high = (float(q) for q in np.quantile(quantiles, [0.025, 0.975]))
    return Score(value, min(low, value), max(high, value))
