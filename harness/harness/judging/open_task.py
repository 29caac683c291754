"""A task that is open on a device: its memory and calibration, its workers and timing sessions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.compiling.built import BuildFailure, Built
from harness.devices import Device
from harness.judging.calibration import Calibration
from harness.memory import Memory
from harness.task import Case, Task
from harness.timing.plan import Pace, Plan, Planner
from harness.timing.session import TimingResources, TimingSession
from harness.worker import Profile, Worker


@dataclass(frozen=True)
class OpenTask:
    """A task with its device, memory, pace and calibration, which every judgement of the task uses."""

    task: Task
    device: Device
    memory: Memory
    pace: Pace
    calibration: Calibration

    @property
    def main(self) -> Case:
        """Return the first timed case; duel, audit and vendor line run on this case."""
        return self.task.timed[0]

    @property
    def profile(self) -> Profile:
        """Return the resources of a candidate's worker: the task's memory limit plus the bytes of the buffers that the
        worker maps.
        """
        return Profile(memory_bytes=self.task.limits.memory_bytes + self.memory.mapped_bytes)

    def utilization(self, case: Case, call_s: float) -> float:
        """Return the achieved rate divided by the peak, as a fraction, for calls of a case that take `call_s` seconds
        each.
        """
        return self.task.work(case) / call_s / self.calibration.peak

    def build(self, source: Path, *, language: str) -> Built | BuildFailure:
        """Build a candidate in the sandbox, or take the build from the cache; return the artifact, or the reason for
        the failure.
        """
        return self.device.build(source, self.task, language=language)

    @contextmanager
    def worker(self, artifact: Path, *, slot: int = 0, profile: Profile | None = None) -> Iterator[Worker]:
        """Start a worker on an artifact, wait until the candidate is loaded, and give the stopped worker to the `with`
        block. The worker is killed when the block ends. `slot` is the place in memory for its outputs.
        """
        profile = profile or self.profile
        with self.device.worker(artifact, memory=self.memory, slot=slot, profile=profile) as worker:
            worker.wait_ready()
            worker.stop()
            yield worker

    def session(self, worker: Worker, case: Case, *, sets: int = 1, slot: int = 0) -> TimingSession:
        """Return a timing session of a worker on `sets` operand sets of a case, with the pace's idle time before each
        batch. `slot` is the place in memory for the worker's outputs.
        """
        device, calibration = self.device, self.calibration
        resources = TimingResources(
            self.memory, device.clock, device.random_source, observe=lambda: dict(device.observe())
        )
        return TimingSession(
            resources, self.memory.operands(self.task, case, sets=sets), worker, slot, self.pace.idle_s,
            overheads_s=calibration.overheads_s(worker.language),
            graph_overheads_s=calibration.overheads_s(calibration.trusted_language or worker.language),
        )  # fmt: skip

    def plan(self, case: Case, *, pilot_s: float) -> Plan:
        """Return the plan of a case for calls that take `pilot_s` seconds. A pilot below the time that the device's
        ceiling allows counts as that time.
        """
        fastest_s = self.task.work(case) / self.device.ceiling(self.task.unit, suspected=0.0)
        set_s, cache_bytes = self.calibration.set_s[case.name], self.device.cache_bytes
        planner = Planner(self.task, case, self.pace, set_s, cache_bytes)
        return planner.plan(max(pilot_s, fastest_s), random_source=self.device.random_source)

    def close(self) -> None:
        """Release the memory."""
        self.memory.close()
