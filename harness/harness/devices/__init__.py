"""A device on which candidates are built and run, with its memory, its workers, its clock and its peak."""

import random
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from harness.compiling.built import BuildFailure, Built
from harness.devices.vendor import Vendor
from harness.memory import Memory
from harness.sandbox import launcher as sandbox
from harness.task import Task
from harness.timing.clock import Clock
from harness.timing.plan import Pace
from harness.wire import messages as wire
from harness.worker import Profile, Worker


class Monitor(Protocol):
    """Looks for other work on a device while batches are timed."""

    def look(self, *, batches: int = 1) -> None:
        """Look once more, after so many further batches."""

    def disturbance(self) -> str:
        """Return what disturbed the batches since the monitor was made, in words; empty where nothing did."""


class Device(Protocol):
    """A device as the judge uses it: builds, workers, memory, clock, peak, and the search for other work on it."""

    isolation: sandbox.Isolation
    cache_bytes: int
    """Size of the last-level cache."""

    @property
    def clock(self) -> Clock:
        """Clock that times batches."""

    @property
    def random_source(self) -> random.Random:
        """Source of the judge's secrets."""

    @property
    def name(self) -> str:
        """Name of the device."""

    @property
    def kind(self) -> str:
        """Kind of the device: `cpu`, `cuda` or `scripted`."""

    @property
    def worker_core(self) -> int | None:
        """CPU core that is kept for candidates; None where no core is."""

    def pace(self, task: Task) -> Pace:
        """Return how a task is timed on this device."""

    def calibrate(self, unit: str, *, seconds: float) -> None:
        """Measure, or look up, the peak of a unit. Raises MachineError, TaskFault."""

    def peak(self, unit: str) -> float:
        """Return the peak of a unit, units per second. Raises TaskFault: the unit has none on this device."""

    def ceiling(self, unit: str, *, suspected: float) -> float:
        """Return the highest honest rate; a suspected rate above it may make the device measure its peak again."""

    def build(self, source: Path, task: Task, *, language: str) -> Built | BuildFailure:
        """Build a candidate in the sandbox, or take it from the cache."""

    def inspected(self, built: Built) -> AbstractContextManager[Callable[[], wire.Facts]]:
        """Read the machine code beside other work; the function that is given waits for all facts and returns them."""

    def standards(self, task: Task) -> dict[str, str]:
        """Return trusted candidates of the duration `Pace.standard_s` by language, the most trusted one first."""

    def memory(self, *, input_bytes: int, output_bytes: int, slots: int = 2) -> Memory:
        """Allocate memory that workers of this device can map."""

    def worker(self, artifact: Path, *, memory: Memory, slot: int, profile: Profile) -> AbstractContextManager[Worker]:
        """Start a worker on an artifact; it is killed at the end of the block."""

    def vendor_source(self, task: Task) -> Path:
        """Return the vendor's candidate among the task's files."""

    def vendors(self, artifact: Path, *, memory_bytes: int) -> list[Vendor]:
        """Return the ways to run the vendor's candidate; empty where the library is not installed."""

    def trusted_kernel(self, task: Task) -> tuple[str, str] | None:
        """Return (source, language) of trusted work as long as a good candidate's, for tasks without a vendor line."""

    def share_at(self, unit: str, *, clock_mhz: float) -> float | None:
        """Return the fraction of the peak that is reachable at a clock; None where the unit does not depend on it."""

    def probe_rates(self, unit: str, *, processes: int) -> list[float]:
        """Return the rate of a trusted probe in each of some processes; used where there is no trusted kernel."""

    def observe(self) -> Mapping[str, float]:
        """Return the telemetry of this moment; empty where there is none."""

    def require_no_other_processes(self, *, workers: int = 0) -> None:
        """Raise MachineError if another process computes on the device beside so many workers of the judge."""

    def monitor(self, *workers: Worker) -> Monitor:
        """Return a monitor that looks for others than these workers from now on."""

    def details(self) -> dict[str, str]:
        """Return what a reader of the numbers may ask for."""


__all__ = ["Device", "Monitor"]
