"""The interface between the judge and a device: builds, workers, memory, clock, peak, and monitors for other work."""

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
    """Watches a device for work of other processes while batches are timed."""

    def look(self, *, batches: int = 1) -> None:
        """Look for other work once more. `batches` is the number of batches that were timed since the last look."""

    def disturbance(self) -> str:
        """Return what disturbed the batches since the monitor was made, in words; an empty string if nothing did."""


class Device(Protocol):
    """A device on which candidates are built and judged: it starts workers, allocates memory, and has a clock and a
    peak.
    """

    isolation: sandbox.Isolation
    """Sandbox level that the machine allows, and why not a higher one."""
    cache_bytes: int
    """Size of the last-level cache."""

    @property
    def clock(self) -> Clock:
        """Return the clock that times batches."""

    @property
    def random_source(self) -> random.Random:
        """Return the generator of the judge's secrets."""

    @property
    def name(self) -> str:
        """Return the name of the device, such as the processor's or the card's."""

    @property
    def kind(self) -> str:
        """Return the kind of the device: `cpu`, `cuda` or `scripted`."""

    @property
    def worker_core(self) -> int | None:
        """Return the number of the CPU core that is reserved for candidates, or None if no core is reserved."""

    def pace(self, task: Task) -> Pace:
        """Return the timing constants (length and number of batches, idle times, ...) of a task on this device."""

    def calibrate(self, unit: str, *, seconds: float) -> None:
        """Measure the peak of a unit for `seconds` seconds, or look it up. Raises MachineError if the device cannot
        measure now, TaskFault if the unit has no peak on this device.
        """

    def peak(self, unit: str) -> float:
        """Return the peak of a unit, in units per second. Raises TaskFault if the unit has no peak on this device."""

    def ceiling(self, unit: str, *, suspected: float) -> float:
        """Return the highest rate of a unit that an honest candidate can reach, in units per second. If the rate
        `suspected` is above it, the device may measure its peak again first.
        """

    def build(self, source: Path, task: Task, *, language: str) -> Built | BuildFailure:
        """Build a candidate in the sandbox, or take the build from the cache; return the artifact, or the reason for
        the failure.
        """

    def inspected(self, built: Built) -> AbstractContextManager[Callable[[], wire.Facts]]:
        """Read the machine code of a build while the `with` block runs. The block receives a function that waits for
        the facts (registers, spills, instruction counts) and returns them.
        """

    def standards(self, task: Task) -> dict[str, str]:
        """Return source texts by language, the trusted language first: for each language a trusted candidate that takes
        `Pace.standard_s` seconds per call.
        """

    def memory(self, *, input_bytes: int, output_bytes: int, slots: int = 2) -> Memory:
        """Allocate memory that workers of this device can map: `input_bytes` of inputs, and `output_bytes` of outputs
        for each slot.
        """

    def worker(self, artifact: Path, *, memory: Memory, slot: int, profile: Profile) -> AbstractContextManager[Worker]:
        """Start a worker on an artifact and give it to the `with` block, which kills it at its end. The worker writes
        outputs into slot `slot` of `memory`; `profile` holds its memory limit, readable files and environment.
        """

    def vendor_source(self, task: Task) -> Path:
        """Return the path of the task's source file that calls the vendor's library."""

    def vendors(self, artifact: Path, *, memory_bytes: int) -> list[Vendor]:
        """Return the ways to run a built vendor file, one for each kernel of the library that is worth trying; empty if
        the library is not installed. `memory_bytes` limits the memory of the worker.
        """

    def trusted_kernel(self, task: Task) -> tuple[str, str] | None:
        """Return (source, language) of a trusted kernel that takes about as long as a good candidate, for tasks without
        a vendor line; None if the device has none.
        """

    def share_at(self, unit: str, *, clock_mhz: float) -> float | None:
        """Return the fraction of a unit's peak that the device can reach at a clock; None if the peak does not depend
        on the clock.
        """

    def probe_rates(self, unit: str, *, processes: int) -> list[float]:
        """Return the rate of a trusted probe of the unit in each of `processes` processes, in units per second. This is
        used on devices without a trusted kernel.
        """

    def observe(self) -> Mapping[str, float]:
        """Return the current telemetry by name with unit; empty if the device has none."""

    def require_no_other_processes(self, *, workers: int = 0) -> None:
        """Raise MachineError if another process computes on the device. The judge and up to `workers` of its worker
        processes are not counted as others.
        """

    def monitor(self, *workers: Worker) -> Monitor:
        """Return a monitor that watches for processes other than these workers from now on."""

    def details(self) -> dict[str, str]:
        """Return further facts about the device for readers of its figures, such as driver and compiler versions, as
        text by name.
        """


__all__ = ["Device", "Monitor"]
