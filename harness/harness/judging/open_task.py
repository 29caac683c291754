"""A task that is open on a device: it holds the memory and the calibration, and starts workers and timing sessions."""

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
    """A task together with its device, its allocated memory, the device's timing constants (`pace`) and the measured
    calibration. `opening.open_task` makes one, every judgement of the task uses it, and `close` frees its memory.
    """

    task: Task
    device: Device
    memory: Memory
    pace: Pace
    calibration: Calibration

    @property
    def main(self) -> Case:
        """Return the main case, which is the task's first timed case. Audits, duels and comparisons with the vendor's
        library run only on this case.
        """
        return self.task.timed[0]

    @property
    def profile(self) -> Profile:
        """Return the limits of a candidate's worker. Its memory limit is that of the task plus the bytes of the input
        and output buffers that the worker maps; it can read no extra files and gets no extra environment variables.
        """
        return Profile(memory_bytes=self.task.limits.memory_bytes + self.memory.mapped_bytes)

    def utilization(self, case: Case, call_s: float) -> float:
        """Return the rate that a candidate reaches in `case` (work per second, if each call takes `call_s` seconds)
        divided by the device's peak rate, as a fraction: 1.0 is the peak.
        """
        return self.task.work(case) / call_s / self.calibration.peak

    def build(self, source: Path, *, language: str) -> Built | BuildFailure:
        """Compile the file `source` (`language` is `c`, `cuda` or `triton`) in the sandbox, or take an earlier build
        from the cache. Return Built with the artifact's path, or BuildFailure with the reason if it does not build.
        Raises MachineError if the compiler is missing or the sandbox cannot be set up.
        """
        return self.device.build(source, self.task, language=language)

    @contextmanager
    def worker(self, artifact: Path, *, slot: int = 0, profile: Profile | None = None) -> Iterator[Worker]:
        """Start a worker on a built `artifact`, wait until it has loaded the candidate, and yield it suspended; kill it
        when the block ends. It writes output area `slot` (0 or 1) under the limits `profile` (None = a candidate's).
        Raises WorkerDied if it ends while it loads, WorkerOverdue if loading exceeds its deadline, MachineError if the
        sandbox fails.
        """
        profile = profile or self.profile
        with self.device.worker(artifact, memory=self.memory, slot=slot, profile=profile) as worker:
            worker.wait_ready()
            worker.stop()
            yield worker

    def session(self, worker: Worker, case: Case, *, sets: int = 1, slot: int = 0) -> TimingSession:
        """Return a timing session, with which the judge times `worker` on `sets` operand sets (inputs and outputs of
        one call each) of `case`. `slot` (0 or 1) is the output area that the worker was started with. Nothing runs yet.
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
        """Return the plan (calls per batch, number of batches) of a timed case; `pilot_s` is the measured seconds of
        one of its first calls. A pilot that is shorter than the device's highest rate allows counts as the shortest
        possible time. Raises KeyError if the case is not timed.
        """
        fastest_s = self.task.work(case) / self.device.ceiling(self.task.unit, suspected=0.0)
        set_s, cache_bytes = self.calibration.set_s[case.name], self.device.cache_bytes
        planner = Planner(self.task, case, self.pace, set_s, cache_bytes)
        return planner.plan(max(pilot_s, fastest_s), random_source=self.device.random_source)

    def close(self) -> None:
        """Free the memory for inputs and outputs. All workers must have ended; the object cannot be used afterwards."""
        self.memory.close()
