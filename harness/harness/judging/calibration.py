"""Calibration: the constants that are measured once when a task is opened on a device."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from harness.devices.vendor import Vendor
from harness.timing.session import Overheads


@dataclass(frozen=True, slots=True)
class Overhead:
    """The dispatch overhead of one language after one idle time: seconds from the start of a batch to the read of its
    output samples that the candidate's own work does not take.
    """

    seconds: float
    """Seconds that are deducted from every batch."""
    scatter_s: float
    """Distance in seconds between two quantiles around the overhead (the quartiles around a median). Single calls
    cannot resolve differences smaller than this."""


@dataclass(frozen=True, slots=True)
class VendorTime:
    """The measured vendor line: which library kernel runs, and its seconds per call of the main case."""

    vendor: Vendor
    call_s: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Constants measured once per task and device: peak, dispatch overheads, process spread, vendor line."""

    device: str
    measured_at: datetime
    peak: float
    """Highest rate of the device for the task's unit, in units per second; the denominator of utilization."""
    set_s: Mapping[str, float]
    """Seconds to refresh and verify one operand set, by name of the timed case."""
    overheads: Mapping[str, Mapping[float, Overhead]] = field(default_factory=dict)
    """Dispatch overheads by language, then by the idle time in seconds before a batch. The first language is the
    trusted one."""
    spread: float = 0.0
    """Standard deviation between processes that run the same kernel, as a fraction of its time."""
    vendor: VendorTime | None = None
    single_ratio: float = 1.0
    """Time of a single call divided by the time per call in batches, measured on the vendor line or on another trusted
    kernel."""

    @property
    def trusted_language(self) -> str:
        """Return the language of the judge's own kernels, or an empty string before dispatch overheads are measured."""
        return next(iter(self.overheads), "")

    def overheads_s(self, language: str) -> Overheads:
        """Return the dispatch overheads of a language in seconds, by the idle time in seconds before a batch. The
        mapping is empty before overheads are measured.
        """
        return {idle_s: overhead.seconds for idle_s, overhead in self.overheads.get(language, {}).items()}
