"""A timing session: one worker timed on one case, batch by batch.

A batch is timed from before the worker is let go until the judge has itself read samples of every output, so a worker
gains nothing by saying "done" early. One calibrated constant is deducted, nothing else. After the batch all outputs are
verified while the worker stands still; after the last one the worker is dead, and the samples must still be there.
"""

import gc
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from harness.checking import inputs
from harness.contract import TIMING
from harness.guards import guard
from harness.memory import Memory, OperandSets, OutputCheck, Region, Restore
from harness.task import Case, Task
from harness.timing.clock import Clock
from harness.timing.failure import CandidateFailed
from harness.timing.plan import MAX_CALLS
from harness.timing.score import BatchTime
from harness.worker import Worker
from harness.worker.batch_request import CALL, CAPTURE, REPLAY, BatchRequest

SAMPLES: int = TIMING["batches"]["output_samples"]
"""Output elements that are read before the clock stops, at least."""
LEAST_LEFT: float = TIMING["batches"]["least_left"]
"""Fraction of a batch's time that counts at least, whatever constant is deducted."""

Overheads = Mapping[float, float]
"""Dispatch overhead in seconds by the idle time before a batch: a device that has rested takes longer to begin."""


@dataclass(frozen=True)
class TimingResources:
    """The memory, clock and secrets that all timing sessions of an open task share."""

    memory: Memory
    clock: Clock
    random_source: random.Random
    """Draws secrets: batches, samples, poison."""
    observe: Callable[[], dict[str, float]] = dict
    """Reads the device's telemetry while a batch runs."""

    def generator(self) -> np.random.Generator:
        """Return a generator with a secret seed."""
        return np.random.default_rng(self.random_source.getrandbits(128))


@dataclass(frozen=True)
class TimingSession:
    """One worker, ready to be timed on the operand sets of one case at one slot."""

    resources: TimingResources
    operands: OperandSets
    worker: Worker
    slot: int = 0
    idle_s: float = 0.0
    """Idle time before a batch, seconds."""
    overheads_s: Overheads = field(default_factory=dict)
    graph_overheads_s: Overheads = field(default_factory=dict)
    """The overheads where a graph is launched: a language's own way of launching takes no part in it."""
    is_captured: bool = False
    """Whether the worker holds the calls as a graph, which is run instead."""

    @property
    def task(self) -> Task:
        """The task whose case is timed."""
        return self.operands.task

    @property
    def case(self) -> Case:
        """The case that is timed."""
        return self.operands.case

    @property
    def deadline_s(self) -> float:
        """Deadline of one batch, seconds."""
        return self.task.limits.call_s

    def after(self, idle_s: float) -> "TimingSession":
        """Return the same session with another idle time."""
        return replace(self, idle_s=idle_s)

    def refresh(self, sets: range, key: str) -> None:
        """Fill the inputs of these sets from a key. Every worker must stand still."""
        self.operands.fill(sets, key)
        self.resources.memory.settle()
        with guard("checksums"):
            self.operands.seal(sets)
            self.resources.memory.settle()

    def keep(self, sets: range, key: str) -> Restore:
        """Return a function that writes these inputs again as they were filled from the key."""
        return self.operands.keep(sets, key)

    def capture(self, sets: range) -> "TimingSession":
        """Return a session whose batches over these sets run as a graph, or this one if the calls cannot be captured.

        Call it before inputs are filled: nothing that a candidate does meanwhile is timed.

        Raises:
            WorkerDied, WorkerOverdue: the worker ended, or did not answer in time.
        """
        self._order(sets, calls=len(sets), manner=CAPTURE)
        self.resources.memory.settle()
        self.worker.start_batch()
        self.worker.wait_done(self.deadline_s)
        self.worker.stop()
        if not self.worker.has_captured:
            return self
        return replace(self, is_captured=True, overheads_s=self.graph_overheads_s)

    def run(self, sets: range, key: str, *, expected_s: float = 0.0, calls: int | None = None) -> "TimedBatch":
        """Poison the outputs, wait the idle time, and time one batch over these sets.

        Telemetry is read in the middle of a batch that is expected to take `expected_s`. A batch of more `calls` than
        sets uses the sets in turn; such a batch is never scored.

        Raises:
            WorkerDied, WorkerOverdue: the worker ended, or did not answer in time.
            Failed: the worker takes more memory than the task allows.
        """
        memory = self.resources.memory
        memory.settle()
        with guard("poison"):
            region, word = self._poisoned(sets)
        calls = min(calls or len(sets), MAX_CALLS)
        self._order(sets, calls=calls, manner=REPLAY if self.is_captured else CALL)
        memory.settle()
        self.resources.clock.sleep(self.idle_s)
        elapsed_s, telemetry = self._time(region, expected_s=expected_s)
        self.worker.stop()
        if excess := memory.excess(self.task):
            raise CandidateFailed("crashed", excess)
        return TimedBatch(BatchTime(self._call_s(elapsed_s, calls), calls, key, telemetry), self, sets, region, word)

    def _call_s(self, elapsed_s: float, calls: int) -> float:
        """Return seconds per call. The overhead scatters, so a batch hardly longer than it would leave only noise."""
        return max(elapsed_s - self.overheads_s.get(self.idle_s, 0.0), elapsed_s * LEAST_LEFT) / calls

    def _poisoned(self, sets: range) -> tuple[Region, int]:
        """Return the outputs of these sets, with secret samples chosen, and the word that they are filled with."""
        rng = self.resources.generator()
        region = self.operands.region(sets, slot=self.slot)
        word = inputs.poison_word(rng, item_bytes=self.task.narrowest_output)
        region.poison(word)
        region.choose_samples(rng, at_least=SAMPLES)
        self.resources.memory.settle()
        return region, word

    def _order(self, sets: range, *, calls: int, manner: int) -> None:
        task = self.task
        self.worker.send_batch(
            BatchRequest(
                sizes=tuple(self.case.sizes[name] for name in task.size_names),
                offsets=self.operands.layout.offsets[sets.start + np.arange(calls) % len(sets)],
                outputs=tuple(buffer.is_output for buffer in task.buffers),
                manner=manner,
            )
        )

    def _time(self, region: Region, *, expected_s: float) -> tuple[float, dict[str, float]]:
        clock, was_enabled = self.resources.clock, gc.isenabled()
        gc.disable()
        try:
            start = clock.now_ns()
            self.worker.start_batch()
            telemetry = self._observe_at(start + int(expected_s * 0.5e9)) if expected_s else {}
            self.worker.wait_done(self.deadline_s)
            region.read_samples()
            return (clock.now_ns() - start) * 1e-9, telemetry
        finally:
            if was_enabled:
                gc.enable()

    def _observe_at(self, moment_ns: int) -> dict[str, float]:
        """Return the telemetry at a moment of the clock, or at the end of a batch that is over by then."""
        self.resources.clock.wait_until(moment_ns, or_until=lambda: self.worker.is_done)
        return self.resources.observe()


@dataclass(frozen=True)
class TimedBatch:
    """One batch that was timed and is still to be verified."""

    time: BatchTime
    session: TimingSession
    sets: range
    region: Region
    poison: int
    """The 32-bit word that the outputs were filled with."""

    def verify(self, *, full: bool = False) -> None:
        """Examine every output of the batch; `full` compares each element with the reference.

        Raises:
            Failed: incorrect or tampered.
        """
        self._refuse_tampering()
        self._examine(self.sets, full=full)
        with guard("guard bands"):
            overrun = self.region.overrun(self.poison)
        if overrun:
            raise CandidateFailed(
                "incorrect", self._place(f"wrote outside the outputs: {overrun} bytes beside them changed")
            )

    def verify_one(self) -> None:
        """Compare every element of one call, which is chosen secretly. Raises Failed: incorrect."""
        index = self.sets[self.session.resources.random_source.randrange(len(self.sets))]
        self._examine(range(index, index + 1), full=True)

    def _examine(self, sets: range, *, full: bool) -> None:
        session = self.session
        with guard("verification"):
            check = OutputCheck(session.slot, self.poison, session.resources.generator(), full=full)
            mistake = session.operands.examine(sets, check)
        if mistake:
            raise CandidateFailed("incorrect", self._place(mistake.detail))

    def _refuse_tampering(self) -> None:
        memory = self.session.resources.memory
        with guard("checksums"):
            evidence = memory.tampered(sets=self.sets)
        with guard("resident work"):
            evidence = evidence or memory.busy()
        with guard("samples"):
            late, of = self.region.late_samples()
        if late and not evidence:
            evidence = f"{late} of {of} sampled output words changed after the calls had returned"
        if evidence:
            raise CandidateFailed("tampered", self._place(evidence))

    def _place(self, detail: str) -> str:
        case, time = self.session.case, self.time
        if case.hidden:
            return f"wrong in a hidden case: {case.kind}"
        return f"case {case.name}: {detail} [inputs {case.name}:{time.calls}:{time.key}]"
