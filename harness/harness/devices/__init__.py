"""Where candidates are built and run: one device with its worker program, its peak and its pace."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from harness.compiling.built import BuildFailure, Built
from harness.devices.vendor import Vendor
from harness.errors import MachineError
from harness.memory import Arena
from harness.sandbox import launcher as sandbox
from harness.task import Task
from harness.timing.clock import Pace
from harness.wire import messages as wire
from harness.worker.doorbell import Profile, Worker


class Watch(Protocol):
    """Watches a device while batches are timed."""

    def look(self, *, batches: int = 1) -> None:
        """After so many more."""

    def disturbance(self) -> str:
        """What disturbed the batches since the watch began, in words; empty where nothing did."""


class Workplace(Protocol):
    """What the judge asks of a device."""

    isolation: sandbox.Isolation
    cache_bytes: int
    """Of the last-level cache."""

    @property
    def name(self) -> str:
        """The device's name."""

    @property
    def worker_core(self) -> int | None:
        """The CPU core kept for candidates; None where there is none."""

    def pace(self, task: Task) -> Pace:
        """How a task is timed here."""

    def calibrate(self, unit: str, *, seconds: float) -> None:
        """Measure, or look up, the peak of a unit. Raises MachineError, or TaskFault: this device has no such unit."""

    def peak(self, unit: str) -> float:
        """The denominator, units per second. Raises MachineError: none is known for the unit."""

    def ceiling(self, unit: str, *, suspected: float) -> float:
        """The highest rate that can be honest; a suspected rate above it may be reason to measure again."""

    def build(self, source: Path, task: Task, *, language: str) -> Built | BuildFailure:
        """Build a candidate in the sandbox, or take it from the cache."""

    def inspected(self, built: Built) -> AbstractContextManager[Callable[[], wire.Facts]]:
        """Find out beside other work what the machine code tells; what is given waits for all facts."""

    def standards(self, task: Task) -> dict[str, str]:
        """By language, the trusted one first: a candidate that lasts as long as the pace says (`standard_s`)."""

    def arena(self, *, input_bytes: int, output_bytes: int, seats: int = 2) -> Arena:
        """Memory that workers here can map."""

    def hired(self, artifact: Path, *, arena: Arena, seat: int, profile: Profile) -> AbstractContextManager[Worker]:
        """A fresh worker on an artifact."""

    def vendor_source(self, task: Task) -> Path:
        """The vendor's candidate among the task's files."""

    def vendors(self, artifact: Path, *, memory_bytes: int) -> list[Vendor]:
        """Ways to run the vendor's candidate here; empty where the library is not installed."""

    def yardstick(self, task: Task) -> tuple[str, str] | None:
        """(source, language) of trusted work as long as a good candidate's, for tasks without a vendor line."""

    def share_at(self, unit: str, *, clock_mhz: float) -> float | None:
        """What part of the peak the device could reach at a clock; None where the unit does not depend on it."""

    def probe_rates(self, unit: str, *, processes: int) -> list[float]:
        """Without a vendor line: rates of a trusted probe of the unit, from which the spread is taken."""

    def observe(self) -> Mapping[str, float]:
        """Telemetry now; empty where there is none."""

    def refuse_company(self, *, workers: int = 0) -> None:
        """Raises MachineError: somebody else computes on the device, beside so many workers of ours."""

    def watch(self, *workers: Worker) -> Watch:
        """Watch for others on the device from now on; nobody but these workers runs here for us."""

    def details(self) -> dict[str, str]:
        """What a reader of the numbers may ask for."""


__all__ = ["MachineError", "Watch", "Workplace"]
