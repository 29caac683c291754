"""A timing session: one worker, which runs the candidate, is timed on one case, batch by batch.

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
    """Resources that all timing sessions of an open task share: the memory of inputs and outputs, the judge's clock,
    the random generator of its secrets, and `observe`, a function without arguments that returns the device's current
    telemetry as a dict of readings by name. `OpenTask.session` makes it.
    """

    memory: Memory
    clock: Clock
    random_source: random.Random
    """Draws the secrets of the judge, such as samples and poison."""
    observe: Callable[[], dict[str, float]] = dict
    """Returns the device's telemetry while a batch runs, by name with unit; empty if the device has none."""

    def generator(self) -> np.random.Generator:
        """Return a new numpy random generator whose seed is secret: 128 bits from the judge's random source."""
        return np.random.default_rng(self.random_source.getrandbits(128))


@dataclass(frozen=True)
class TimingSession:
    """One worker that can be timed on one case: its operand sets (inputs and outputs of one call each), the output area
    that it writes, the idle seconds before a batch, and the dispatch overheads to deduct from batch times.
    `OpenTask.session` makes it; `after` and `capture` return changed copies.
    """

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
        """Return the task whose case this session times."""
        return self.operands.task

    @property
    def case(self) -> Case:
        """Return the case (sizes and kind of input data) that this session times."""
        return self.operands.case

    @property
    def deadline_s(self) -> float:
        """Return the longest time that one batch may take, in seconds: the task's limit `call_s`. If a worker takes
        longer, the judge's wait for it raises WorkerOverdue.
        """
        return self.task.limits.call_s

    def after(self, idle_s: float) -> "TimingSession":
        """Return a copy of this session that waits `idle_s` seconds before each batch. Its batch times are reduced by
        the dispatch overhead that was calibrated for that idle time, or by nothing if none was measured.
        """
        return replace(self, idle_s=idle_s)

    def refresh(self, sets: range, key: str) -> None:
        """Fill the inputs of the operand sets (inputs and outputs of one call each) numbered `sets` with data that
        `key`, hexadecimal digits, generates; take checksums of them if a worker could write them. Every worker must be
        suspended. Returns when the device has finished.
        """
        self.operands.fill(sets, key)
        self.resources.memory.settle()
        with guard("checksums"):
            self.operands.seal(sets)
            self.resources.memory.settle()

    def keep(self, sets: range, key: str) -> Restore:
        """Return a function without arguments that restores the inputs of the operand sets numbered `sets` to the
        values that `key` (hexadecimal digits) generated. Call `keep` after `refresh` with the same arguments and before
        the worker runs.
        """
        return self.operands.keep(sets, key)

    def capture(self, sets: range) -> "TimingSession":
        """Let the worker capture its calls over the operand sets numbered `sets` as a CUDA graph, and return a session
        whose batches launch the graph; return this session if the calls cannot be captured. Nothing is timed. Raises
        WorkerDied if the worker ended, and WorkerOverdue if it missed its deadline.

        Call this before inputs are filled, because the candidate's code runs during the capture.
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
        """Run and time one batch over the operand sets numbered `sets`, whose inputs `key` generated, and return it
        unverified, with the worker suspended. `calls` (None = one per set) may reuse sets; `expected_s` above 0 reads
        telemetry in mid-batch. Raises WorkerDied if the worker ended, WorkerOverdue if it missed its deadline,
        CandidateFailed if it takes too much memory.

        Before the batch the outputs are overwritten with a secret word, and the device is idle for `idle_s` seconds.
        `expected_s` is the expected length of the batch in seconds. A batch with reused sets is never scored.
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
        """Return the seconds per call of a batch: `elapsed_s` minus the dispatch overhead (the calibrated seconds that
        are not the candidate's work), divided by `calls`. At least the fraction LEAST_LEFT of the elapsed time counts,
        because a smaller remainder would be mostly noise.
        """
        return max(elapsed_s - self.overheads_s.get(self.idle_s, 0.0), elapsed_s * LEAST_LEFT) / calls

    def _poisoned(self, sets: range) -> tuple[Region, int]:
        """Overwrite the outputs of the operand sets numbered `sets` with a secret word, which is NaN as an output
        element, and choose secret samples of them to read when the batch ends. Return (the outputs' memory, the 32-bit
        word).
        """
        rng = self.resources.generator()
        region = self.operands.region(sets, slot=self.slot)
        word = inputs.poison_word(rng, item_bytes=self.task.narrowest_output)
        region.poison(word)
        region.choose_samples(rng, at_least=SAMPLES)
        self.resources.memory.settle()
        return region, word

    def _request_batch(self, sets: range, *, calls: int, manner: int) -> None:
        """Write the request for a batch of `calls` calls over the operand sets numbered `sets` into the memory that the
        suspended worker reads. `manner` is CALL, CAPTURE (record the calls as a CUDA graph) or REPLAY (launch that
        graph). The worker does not run yet.
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
        """Let the worker run the requested batch and return (elapsed seconds, telemetry). The time ends when the judge
        has read samples of the outputs in the memory `region`; telemetry is read about half-way through `expected_s`,
        the batch's expected seconds, and is an empty dict if that is 0. Raises WorkerDied if the worker ended, and
        WorkerOverdue if it missed its deadline.
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
        """Wait until the moment `moment_ns` of the judge's clock, or until the batch has ended, and return the device's
        telemetry: a dict of readings by name with unit.
        """
        self.resources.clock.wait_until(moment_ns, or_until=lambda: self.worker.is_done)
        return self.resources.observe()


@dataclass(frozen=True)
class TimedBatch:
    """One batch that has run and whose outputs may not be verified yet: its time, its session, the numbers of its
    operand sets (inputs and outputs of one call each), the memory `region` of its outputs, and `poison`, the word that
    filled them before. `TimingSession.run` makes it.
    """

    time: BatchTime
    session: TimingSession
    sets: range
    """Numbers of the operand sets that the calls used."""
    region: Region
    """The memory of the outputs."""
    poison: int
    """The 32-bit word that the outputs were filled with."""

    def verify(self, *, full: bool = False) -> None:
        """Check that inputs and finished outputs were not changed and that every output of the batch is right. With
        `full`, compare each element with the reference; otherwise use cheaper random checks. Raises CandidateFailed
        with status `incorrect` (wrong output, or a write outside the outputs), or `tampered` (inputs or finished
        outputs changed).
        """
        self._refuse_tampering()
        self._examine(self.sets, full=full)
        with guard("guard bands"):
            overrun = self.region.overrun(self.poison)
        if overrun:
            raise self._failure("incorrect", f"wrote outside the outputs: {overrun} bytes around them changed")

    def verify_one(self) -> None:
        """Compare every output element of one call, chosen secretly, with the reference. Raises CandidateFailed with
        status `incorrect` and a detail that says what is wrong if an element is not right.
        """
        index = self.sets[self.session.resources.random_source.randrange(len(self.sets))]
        self._examine(range(index, index + 1), full=True)

    def _examine(self, sets: range, *, full: bool) -> None:
        """Check the outputs of the operand sets numbered `sets`: each element with `full`, otherwise by random products
        and sampled rows. Raises CandidateFailed with status `incorrect` and the first mistake if an output is wrong.
        """
        session = self.session
        with guard("verification"):
            check = OutputCheck(session.slot, self.poison, session.resources.generator(), full=full)
            mistake = session.operands.examine(sets, check)
        if mistake:
            raise self._failure("incorrect", mistake.detail)

    def _refuse_tampering(self) -> None:
        """Raise CandidateFailed with status `tampered` if the worker changed inputs, still computes on the device, or
        changed sampled outputs after the clock had stopped. Return None otherwise.
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
