"""The constants that were measured once for a task on a device."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from harness.devices.vendor import Vendor
from harness.timing.session import Overheads


@dataclass(frozen=True, slots=True)
class Overhead:
    """The dispatch overhead: seconds from the start of a batch to the samples read, beyond the candidate's own time."""

    seconds: float
    """The constant that is deducted from every batch."""
    scatter_s: float
    """Distance between the quantiles around it (the quartiles around a median): single calls resolve nothing below."""


@dataclass(frozen=True, slots=True)
class VendorTime:
    """The vendor line: how the library runs, and its seconds per call of the main case."""

    vendor: Vendor
    call_s: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Constants measured once per task and device: peak, dispatch overheads, process spread, vendor line."""

    device: str
    measured_at: datetime
    peak: float
    """Denominator of utilization, units per second."""
    set_s: Mapping[str, float]
    """Seconds to refresh and verify one operand set, by timed case."""
    overheads: Mapping[str, Mapping[float, Overhead]] = field(default_factory=dict)
    """Dispatch overheads by language, and by the idle time before a batch in seconds; the trusted language is first."""
    spread: float = 0.0
    """Standard deviation between processes, as a fraction."""
    vendor: VendorTime | None = None
    single_ratio: float = 1.0
    """Time of single calls over time per call in batches, of the vendor line or of other trusted work."""

    @property
    def trusted_language(self) -> str:
        """Language of the judge's own candidates; empty before overheads are measured."""
        return next(iter(self.overheads), "")

    def overheads_s(self, language: str) -> Overheads:
        """Return the dispatch overheads of a language in seconds, by idle time; empty before they are measured."""
        return {idle_s: overhead.seconds for idle_s, overhead in self.overheads.get(language, {}).items()}
