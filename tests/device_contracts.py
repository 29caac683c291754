"""Contract test classes that every device, its memory and its workers must pass; the tests of each device subclass
them.

A subclass provides a fixture `rig`: the device, a task, and the source of a candidate for each word in `WORDS`.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from harness.checking import inputs
from harness.compiling.built import BuildFailure, Built
from harness.devices import Device
from harness.memory import Memory, OutputCheck
from harness.memory.layout import lay_out
from harness.task import Task
from harness.timing.clock import Clock
from harness.timing.session import TimingResources, TimingSession
from harness.worker import Profile, Worker, WorkerDied, WorkerOverdue

WORDS = ("honest", "wrong", "dies", "hangs", "broken")
"""Names of the candidates: right outputs, wrong outputs, ends in its call, never returns, fails to build."""
SETS = 3
"""Number of operand sets in the tests' memory."""
HOUR_NS = 3600 * 10**9


@dataclass(frozen=True)
class Rig:
    """A device with a task and the sources of its test candidates."""

    device: Device
    task: Task
    sources: Mapping[str, str]
    """Source text of each candidate, by its word."""
    language: str
    folder: Path

    def build(self, word: str) -> Built | BuildFailure:
        """Build the candidate that `word` names; return the build or its failure."""
        path = self.folder / f"{word}.txt"
        path.write_text(self.sources[word])
        return self.device.build(path, self.task, language=self.language)

    @contextmanager
    def memory(self) -> Iterator[Memory]:
        """Allocate memory for SETS operand sets of the main case, and close it when the block ends."""
        layout = lay_out(self.task, self.task.timed[0], sets=SETS)
        memory = self.device.memory(input_bytes=layout.input_bytes, output_bytes=layout.output_bytes)
        yield memory
        memory.close()

    @contextmanager
    def session(self, word: str) -> Iterator[TimingSession]:
        """Start a worker on the candidate that `word` names, and give the `with` block a timing session of it."""
        built = self.build(word)
        assert isinstance(built, Built), built
        with self.memory() as memory, self._worker(built, memory) as worker:
            worker.wait_ready()
            worker.stop()
            resources = TimingResources(memory, self.device.clock, self.device.random_source)
            session = TimingSession(resources, memory.operands(self.task, self.task.timed[0], sets=SETS), worker)
            yield session
            del session, resources

    @contextmanager
    def _worker(self, built: Built, memory: Memory) -> Iterator[Worker]:
        profile = Profile(self.task.limits.memory_bytes + memory.mapped_bytes)
        with self.device.worker(built.artifact, memory=memory, slot=0, profile=profile) as worker:
            yield worker


class DeviceContract:
    """What the judge requires of every device."""

    def test_its_peak_is_finite_and_at_most_the_ceiling(self, rig: Rig) -> None:
        peak = rig.device.peak(rig.task.unit)
        assert 0 < peak < math.inf
        assert rig.device.ceiling(rig.task.unit, suspected=0.0) >= peak

    def test_it_builds_a_candidate_once(self, rig: Rig) -> None:
        first, second = rig.build("honest"), rig.build("honest")
        assert isinstance(first, Built)
        assert isinstance(second, Built)
        assert (first.artifact, second.cached) == (second.artifact, True)

    def test_a_build_that_fails_says_why(self, rig: Rig) -> None:
        failure = rig.build("broken")
        assert isinstance(failure, BuildFailure)
        assert failure.status == "build_failed"
        assert failure.detail

    def test_it_has_a_trusted_candidate_in_every_language_of_the_task(self, rig: Rig) -> None:
        assert set(rig.task.languages) <= set(rig.device.standards(rig.task))

    def test_its_clock_advances_and_waits(self, rig: Rig) -> None:
        clock: Clock = rig.device.clock
        before = clock.now_ns()
        clock.sleep(1e-3)
        between = clock.now_ns()
        clock.wait_until(between + 1_000_000, or_until=lambda: False)
        assert between - before >= 1_000_000
        assert clock.now_ns() - between >= 1_000_000

    def test_a_wait_ends_early_if_its_condition_is_true(self, rig: Rig) -> None:
        moment_ns = rig.device.clock.now_ns() + HOUR_NS
        rig.device.clock.wait_until(moment_ns, or_until=lambda: True)
        assert rig.device.clock.now_ns() < moment_ns

    def test_its_secrets_differ(self, rig: Rig) -> None:
        assert rig.device.random_source.getrandbits(128) != rig.device.random_source.getrandbits(128)

    def test_a_new_monitor_reports_no_disturbance(self, rig: Rig) -> None:
        assert rig.device.monitor().disturbance() == ""

    def test_its_telemetry_is_finite_and_its_details_are_text(self, rig: Rig) -> None:
        assert all(math.isfinite(value) for value in rig.device.observe().values())
        assert all(isinstance(text, str) for text in rig.device.details().values())
        assert rig.device.name
        assert rig.device.kind in ("cpu", "cuda", "scripted")

    def test_it_returns_the_facts_of_a_build(self, rig: Rig) -> None:
        built = rig.build("honest")
        assert isinstance(built, Built)
        with rig.device.inspected(built) as facts:
            assert facts() is not None


class MemoryContract:
    """What the judge requires of every device's memory."""

    def test_filled_and_sealed_inputs_are_untampered(self, rig: Rig) -> None:
        with rig.memory() as memory:
            operands = memory.operands(rig.task, rig.task.timed[0], sets=SETS)
            operands.fill(range(SETS), inputs.fresh_key())
            memory.settle()
            operands.seal(range(SETS))
            assert memory.tampered(sets=range(SETS)) == ""
            del operands

    def test_restored_inputs_are_untampered(self, rig: Rig) -> None:
        with rig.memory() as memory:
            operands, key = memory.operands(rig.task, rig.task.timed[0], sets=SETS), inputs.fresh_key()
            operands.fill(range(SETS), key)
            operands.seal(range(SETS))
            operands.keep(range(SETS), key)()
            memory.settle()
            assert memory.tampered(sets=range(SETS)) == ""
            del operands

    def test_unwritten_outputs_keep_their_samples_and_guard_bands(self, rig: Rig) -> None:
        with rig.memory() as memory:
            region = memory.operands(rig.task, rig.task.timed[0], sets=SETS).region(range(1, SETS), slot=1)
            word = inputs.poison_word(np.random.default_rng(0), item_bytes=rig.task.narrowest_output)
            region.poison(word)
            region.choose_samples(np.random.default_rng(0), at_least=64)
            memory.settle()
            region.read_samples()
            late, samples = region.late_samples()
            assert late == 0
            assert samples >= 64
            assert region.overrun(word) == 0
            del region

    def test_memory_without_workers_is_neither_busy_nor_in_excess(self, rig: Rig) -> None:
        with rig.memory() as memory:
            assert memory.busy() == ""
            assert memory.excess(rig.task) == ""
            assert memory.mapped_bytes >= 0

    def test_a_layout_has_an_offset_for_each_buffer_of_each_set(self, rig: Rig) -> None:
        with rig.memory() as memory:
            operands = memory.operands(rig.task, rig.task.timed[0], sets=SETS)
            assert operands.layout.offsets.shape == (SETS, len(rig.task.buffers))
            assert (operands.task, operands.case) == (rig.task, rig.task.timed[0])
            del operands


class WorkerContract:
    """What the judge requires of every device's workers."""

    def test_an_honest_batch_takes_time_and_passes_verification(self, rig: Rig) -> None:
        with rig.session("honest") as session:
            key = inputs.fresh_key()
            session.refresh(range(SETS), key)
            batch = session.run(range(SETS), key)
            batch.verify(full=True)
            assert batch.time.calls == SETS
            assert batch.time.call_s > 0
            assert session.worker.is_done
            del batch, session

    def test_wrong_outputs_are_found(self, rig: Rig) -> None:
        with rig.session("wrong") as session:
            key = inputs.fresh_key()
            session.refresh(range(1), key)
            batch = session.run(range(1), key)
            check = OutputCheck(session.slot, batch.poison, np.random.default_rng(0), full=True)
            assert session.operands.examine(range(1), check) is not None
            del batch, session

    def test_a_worker_that_ends_in_a_call_raises_worker_died(self, rig: Rig) -> None:
        with rig.session("dies") as session:
            key = inputs.fresh_key()
            session.refresh(range(1), key)
            with pytest.raises(WorkerDied):
                session.run(range(1), key)
            del session

    def test_a_worker_that_does_not_answer_raises_worker_overdue(self, rig: Rig) -> None:
        with rig.session("hangs") as session:
            key = inputs.fresh_key()
            session.refresh(range(1), key)
            with pytest.raises(WorkerOverdue, match="no answer within"):
                session.run(range(1), key)
            del session

    def test_it_has_a_language_and_can_be_killed_twice(self, rig: Rig) -> None:
        with rig.session("honest") as session:
            assert session.worker.language in rig.task.languages
            session.worker.kill()
            session.worker.kill()
            del session

    def test_a_batch_after_a_capture_passes_verification(self, rig: Rig) -> None:
        with rig.session("honest") as session:
            captured = session.capture(range(SETS)) if rig.device.kind != "cpu" else session
            key = inputs.fresh_key()
            captured.refresh(range(SETS), key)
            batch = captured.run(range(SETS), key)
            batch.verify(full=True)
            del batch, captured, session
