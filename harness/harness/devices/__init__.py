"""The interfaces between the judge and a device: `Device` (builds, workers, memory, clock, peak) and `Monitor` (looks
for work of other processes).
"""

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
    """Protocol of an object that watches a device for work of other processes while batches are timed. `Device.monitor`
    makes a new one for each measurement, and it reports only what disturbed the device since then.
    """

    def look(self, *, batches: int = 1) -> None:
        """Look once for work of other processes on the device and remember what is found. `batches` is the number of
        batches that were timed since the last look.
        """

    def disturbance(self) -> str:
        """Return what disturbed the batches since the monitor was made, as text for a note; an empty string if nothing
        did.
        """


class Device(Protocol):
    """Protocol of a device on which candidates are built and judged: it builds them, starts workers, allocates memory,
    has a clock, and knows its peak rates. The kinds are a CPU core, an NVIDIA GPU, and a scripted device.
    """

    isolation: sandbox.Isolation
    """Sandbox level that the machine allows, and why not a higher one."""
    cache_bytes: int
    """Size of the last-level cache."""

    @property
    def clock(self) -> Clock:
        """Return the clock by which the judge times batches on this device."""

    @property
    def random_source(self) -> random.Random:
        """Return the random generator from which the judge draws its secrets, such as output samples and the number of
        batches.
        """

    @property
    def name(self) -> str:
        """Return the name of the device for people, such as the processor's model or the card's product name."""

    @property
    def kind(self) -> str:
        """Return the kind of the device: `cpu`, `cuda` or `scripted` (a device that follows a script and measures
        nothing).
        """

    @property
    def worker_core(self) -> int | None:
        """Return the number of the CPU core on which only candidates' workers run, or None if no core is reserved for
        them.
        """

    def pace(self, task: Task) -> Pace:
        """Return the constants by which candidates of `task` are timed on this device: length and number of batches,
        idle times, the quantile of batch times that is the score, and so on. Raises MachineError if the task is for
        another GPU architecture than the device has.
        """

    def calibrate(self, unit: str, *, seconds: float) -> None:
        """Measure the peak rate of `unit` (operations of a type such as `fp32` or `bf16`, or `dram` bytes) for
        `seconds` seconds, or look it up in a table; the method `peak` returns it afterwards. Raises MachineError if the
        device cannot measure now, and TaskFault if the unit has no peak on this device.
        """

    def peak(self, unit: str) -> float:
        """Return the peak rate of `unit`: operations per second for `fp32`, `bf16` and so on, or bytes per second for
        `dram`. Call `calibrate` for the unit first. Raises TaskFault if the unit has no peak on this device.
        """

    def ceiling(self, unit: str, *, suspected: float) -> float:
        """Return the highest rate of `unit` that an honest candidate can reach, in operations or bytes per second.
        `suspected` is the rate that a candidate was measured at; if it is above the ceiling, the device may measure its
        peak again first, and raises MachineError if that fails.
        """

    def build(self, source: Path, task: Task, *, language: str) -> Built | BuildFailure:
        """Compile the file `source` of a task's candidate in the sandbox, or take an earlier build from the cache;
        `language` is `c`, `cuda` or `triton`. Return Built with the artifact's path, or BuildFailure with the reason if
        it does not build. Raises MachineError if the compiler is missing or the sandbox cannot be set up.
        """

    def inspected(self, built: Built) -> AbstractContextManager[Callable[[], wire.Facts]]:
        """Read the machine code of the build `built` while the `with` block runs. Yields a function without arguments
        that waits for the facts (registers, spilled bytes, instruction counts) and returns them; facts that cannot be
        read are missing.
        """

    def standards(self, task: Task) -> dict[str, str]:
        """Return a dict from language to source text, the language of the judge's own kernels first. Each text is a
        trusted candidate with the entry function of `task` that takes `Pace.standard_s` seconds per call; with it the
        dispatch overhead of its language (seconds of a batch beyond the candidate's work) is measured.
        """

    def memory(self, *, input_bytes: int, output_bytes: int, slots: int = 2) -> Memory:
        """Allocate and return memory that this device's workers can map: `input_bytes` of inputs, and `slots` output
        areas of `output_bytes` each, so that each of several workers that run in turn has its own. Raises MemoryError,
        OSError or an exception of CUDA if there is not enough.
        """

    def worker(self, artifact: Path, *, memory: Memory, slot: int, profile: Profile) -> AbstractContextManager[Worker]:
        """Start a worker process on a built artifact and yield its handle; kill the process when the block ends. It
        reads inputs from `memory` and writes outputs to area `slot` of it; `profile` sets its memory limit, readable
        files and environment. Raises MachineError if the sandbox cannot be set up; the handle's `wait_ready` raises if
        the artifact cannot be loaded.
        """

    def vendor_source(self, task: Task) -> Path:
        """Return the path of the file in the task folder that calls the vendor's library; the file may be missing."""

    def vendors(self, artifact: Path, *, memory_bytes: int) -> list[Vendor]:
        """Return a list with one Vendor (name, build, worker limits) for each kernel of the vendor's library that is
        worth trying; empty if the library is not installed. `artifact` is the built vendor file that calls the library,
        and `memory_bytes` limits the worker's memory.
        """

    def trusted_kernel(self, task: Task) -> tuple[str, str] | None:
        """Return (source text, language) of a kernel of the judge's own that takes about as long as a good candidate;
        None if the device has none. It measures the spread between processes for tasks without a vendor's library.
        """

    def share_at(self, unit: str, *, clock_mhz: float) -> float | None:
        """Return the fraction of the peak of `unit`, such as `fp8`, that the device can reach if its clock runs at
        `clock_mhz`; None if the peak does not depend on the clock or the clock is not known.
        """

    def probe_rates(self, unit: str, *, processes: int) -> list[float]:
        """Measure the peak of `unit` in `processes` new processes, one after another, and return a list with one rate
        each, in operations or bytes per second. Devices without a trusted kernel use this for the spread between
        processes. Raises MachineError if the device cannot be probed.
        """

    def observe(self) -> Mapping[str, float]:
        """Return the device's current telemetry (clocks, power, temperature): a mapping of readings by name with unit,
        such as `power_w`; empty if the device has none.
        """

    def require_no_other_processes(self, *, workers: int = 0) -> None:
        """Raise MachineError if another process computes on the device and would disturb the timing; return None
        otherwise. The judge itself is not counted as another process, nor are as many worker processes as `workers`
        says.
        """

    def monitor(self, *workers: Worker) -> Monitor:
        """Return a new monitor that watches from now on for work of processes other than the judge and `workers`, the
        running workers that are being timed.
        """

    def details(self) -> dict[str, str]:
        """Return further facts about the device for readers of its figures, such as driver and compiler versions: a
        dict from name to text.
        """


__all__ = ["Device", "Monitor"]
