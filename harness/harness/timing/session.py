"""A timing session: one worker timed on one case, batch by batch.

The clock starts before the worker is started and stops after the judge itself has read samples of every output, so a
worker gains nothing if it reports too early that it is done. One calibrated constant is deducted from the time, and
nothing else. After each batch all outputs are verified while the worker is stopped. After the last batch the worker is
killed first, and the samples must still be in memory.
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
"""Smallest number of output elements that are read before the clock stops."""
LEAST_LEFT: float = TIMING["batches"]["least_left"]
"""Fraction of a batch's time that always counts, however large the deducted constant is."""

Overheads = Mapping[float, float]
"""Dispatch overheads in seconds, by the idle time in seconds before a batch: a device that was idle starts more slowly.
"""


@dataclass(frozen=True)
class TimingResources:
    """The memory, clock and source of secrets that all timing sessions of an open task share."""

    memory: Memory
    clock: Clock
    random_source: random.Random
    """Draws the secrets of the judge, such as samples and poison."""
    observe: Callable[[], dict[str, float]] = dict
    """Returns the device's telemetry while a batch runs, by name with unit; empty if the device has none."""

    def generator(self) -> np.random.Generator:
        """Return a new numpy generator with a secret seed."""
        return np.random.default_rng(self.random_source.getrandbits(128))


@dataclass(frozen=True)
class TimingSession:
    """One worker that is ready to be timed on operand sets of one case, with its outputs in one slot of the memory."""

    resources: TimingResources
    operands: OperandSets
    worker: Worker
    slot: int = 0
    """Number of the place in memory for the worker's outputs, 0 or 1."""
    idle_s: float = 0.0
    """Idle seconds before each batch."""
    overheads_s: Overheads = field(default_factory=dict)
    """Dispatch overheads of the candidate's language."""
    graph_overheads_s: Overheads = field(default_factory=dict)
    """Dispatch overheads of batches that run as a CUDA graph; these do not depend on the candidate's language."""
    is_captured: bool = False
    """Whether the worker holds the calls as a CUDA graph and launches the graph for a batch."""

    @property
    def task(self) -> Task:
        """Return the task whose case is timed."""
        return self.operands.task

    @property
    def case(self) -> Case:
        """Return the case that is timed."""
        return self.operands.case

    @property
    def deadline_s(self) -> float:
        """Return the longest time that one batch may take, in seconds."""
        return self.task.limits.call_s

    def after(self, idle_s: float) -> "TimingSession":
        """Return the same session with `idle_s` seconds of idle time before each batch."""
        return replace(self, idle_s=idle_s)

    def refresh(self, sets: range, key: str) -> None:
        """Fill the inputs of these operand sets with data generated from a key (hexadecimal digits), and take checksums
        if the device needs them. Every worker must be stopped.
        """
        self.operands.fill(sets, key)
        self.resources.memory.settle()
        with guard("checksums"):
            self.operands.seal(sets)
            self.resources.memory.settle()

    def keep(self, sets: range, key: str) -> Restore:
        """Return a function that restores the inputs of these operand sets to the values that the key generated."""
        return self.operands.keep(sets, key)

    def capture(self, sets: range) -> "TimingSession":
        """Let the worker capture its calls over these operand sets as a CUDA graph, and return a session that launches
        the graph for a batch. Return this session if the calls cannot be captured. Nothing is timed.

        Call this before inputs are filled, because the candidate's code runs during the capture.

        Raises:
            WorkerDied, WorkerOverdue: the worker ended, or did not answer in time.
        """
        self._request_batch(sets, calls=len(sets), manner=CAPTURE)
        self.resources.memory.settle()
        self.worker.start_batch()
        self.worker.wait_done(self.deadline_s)
        self.worker.stop()
        if not self.worker.has_captured:
            return self
        return replace(self, is_captured=True, overheads_s=self.graph_overheads_s)

    def run(self, sets: range, key: str, *, expected_s: float = 0.0, calls: int | None = None) -> "TimedBatch":
        """Poison the outputs, wait the idle time, run one batch over these operand sets whose inputs `key` generated,
        and return the timed batch, not yet verified. Each set is used for one call, unless `calls` is higher than the
        number of sets; a batch with repeated sets is never scored.

        If `expected_s`, the expected length of the batch in seconds, is not 0, telemetry is read in the middle of the
        batch. The worker is stopped when this returns.

        Raises:
            WorkerDied, WorkerOverdue: the worker ended, or did not answer in time.
            CandidateFailed: the worker takes more memory than the task allows.
        """
        memory = self.resources.memory
        memory.settle()
        with guard("poison"):
            region, word = self._poisoned(sets)
        calls = min(calls or len(sets), MAX_CALLS)
        self._request_batch(sets, calls=calls, manner=REPLAY if self.is_captured else CALL)
        memory.settle()
        self.resources.clock.sleep(self.idle_s)
        elapsed_s, telemetry = self._time(region, expected_s=expected_s)
        self.worker.stop()
        if excess := memory.excess(self.task):
            raise CandidateFailed("crashed", excess)
        return TimedBatch(BatchTime(self._call_s(elapsed_s, calls), calls, key, telemetry), self, sets, region, word)

    def _call_s(self, elapsed_s: float, calls: int) -> float:
        """Return the seconds per call: elapsed time minus dispatch overhead, divided by the calls. At least the
        fraction LEAST_LEFT of the elapsed time counts, because a smaller remainder would be mostly noise.
        """
        return max(elapsed_s - self.overheads_s.get(self.idle_s, 0.0), elapsed_s * LEAST_LEFT) / calls

    def _poisoned(self, sets: range) -> tuple[Region, int]:
        """Fill the outputs of these operand sets with a secret word and choose secret samples. Return the region of the
        outputs, and the 32-bit word.
        """
        rng = self.resources.generator()
        region = self.operands.region(sets, slot=self.slot)
        word = inputs.poison_word(rng, item_bytes=self.task.narrowest_output)
        region.poison(word)
        region.choose_samples(rng, at_least=SAMPLES)
        self.resources.memory.settle()
        return region, word

    def _request_batch(self, sets: range, *, calls: int, manner: int) -> None:
        """Send the worker its next batch over these operand sets. `manner` is CALL, CAPTURE (as a CUDA graph) or REPLAY
        (of the graph).
        """
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
        """Run the requested batch until samples of its outputs are read; return the elapsed seconds and the telemetry.
        Python's garbage collector is off meanwhile.
        """
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
        """Wait for a moment of the clock, or for the end of the batch if that comes first, and return the device's
        telemetry.
        """
        self.resources.clock.wait_until(moment_ns, or_until=lambda: self.worker.is_done)
        return self.resources.observe()


@dataclass(frozen=True)
class TimedBatch:
    """One batch that was timed and whose outputs are not yet verified."""

    time: BatchTime
    session: TimingSession
    sets: range
    """Numbers of the operand sets that the calls used."""
    region: Region
    """The memory of the outputs."""
    poison: int
    """The 32-bit word that the outputs were filled with."""

    def verify(self, *, full: bool = False) -> None:
        """Check that memory was not tampered with and that every output of the batch is right. With `full`, each
        element is compared with the reference.

        Raises:
            CandidateFailed: an output is wrong (status `incorrect`), or inputs or finished outputs changed
                (`tampered`).
        """
        self._refuse_tampering()
        self._examine(self.sets, full=full)
        with guard("guard bands"):
            overrun = self.region.overrun(self.poison)
        if overrun:
            raise self._failure("incorrect", f"wrote outside the outputs: {overrun} bytes around them changed")

    def verify_one(self) -> None:
        """Compare every element of the outputs of one call, chosen secretly, with the reference. Raises CandidateFailed
        with status `incorrect` if an element is wrong.
        """
        index = self.sets[self.session.resources.random_source.randrange(len(self.sets))]
        self._examine(range(index, index + 1), full=True)

    def _examine(self, sets: range, *, full: bool) -> None:
        """Verify the outputs of these operand sets. Raises CandidateFailed with status `incorrect` if an output is
        wrong.
        """
        session = self.session
        with guard("verification"):
            check = OutputCheck(session.slot, self.poison, session.resources.generator(), full=full)
            mistake = session.operands.examine(sets, check)
        if mistake:
            raise self._failure("incorrect", mistake.detail)

    def _refuse_tampering(self) -> None:
        """Raise CandidateFailed with status `tampered` if inputs changed, work still runs on the device, or samples
        changed after the clock had stopped.
        """
        memory = self.session.resources.memory
        with guard("checksums"):
            evidence = memory.tampered(sets=self.sets)
        with guard("resident work"):
            evidence = evidence or memory.busy()
        with guard("samples"):
            late, samples = self.region.late_samples()
        if late and not evidence:
            evidence = f"{late} of {samples} sampled output words changed after the calls had returned"
        if evidence:
            raise self._failure("tampered", evidence)

    def _failure(self, status: str, evidence: str) -> CandidateFailed:
        """Return the candidate's failure in this batch. For a shown case the detail ends with the inputs of the batch
        as CASE:CALLS:KEY; for a hidden case only `revealed` holds the evidence.
        """
        case, time = self.session.case, self.time
        if case.hidden:
            kind = f"wrong in a hidden case: {case.kind}"
            return CandidateFailed(status, kind, revealed=f"hidden case {case.name}: {evidence}")
        return CandidateFailed(status, f"case {case.name}: {evidence} [inputs {case.name}:{time.calls}:{time.key}]")
