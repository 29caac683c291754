"""Dataclasses for the calibration: peak rate, overheads and other constants that are measured once when a task is
opened on a device.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from harness.devices.vendor import Vendor
from harness.timing.session import Overheads


@dataclass(frozen=True, slots=True)
class Overhead:
    """The dispatch overhead of one language after one idle time: `seconds` that every batch takes in addition to the
    candidate's own work (start of the worker, reading of output samples), and `scatter_s`, the distance in seconds
    between two quantiles of its measurements. `opening.overhead` measures it.
    """

    seconds: float
    """Seconds that are deducted from every batch."""
    scatter_s: float
    """Distance in seconds between two quantiles around the overhead (the quartiles around a median). Single calls
    cannot resolve differences smaller than this."""


@dataclass(frozen=True, slots=True)
class VendorTime:
    """The measured vendor line: the vendor's library (OpenBLAS or cuBLASLt), run as a candidate for comparison. Holds
    `vendor`, the library kernel that runs, and `call_s`, its seconds per call of the main case, the task's first timed
    case.
    """

    vendor: Vendor
    call_s: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Constants measured once per task and device by `opening.open_task`: peak rate, dispatch overheads (seconds of a
    batch beyond the candidate's work), spread between processes, time of the vendor's library, and seconds to refresh
    inputs. It may be partial while the task is opened; each further step returns a fuller copy by
    `dataclasses.replace`.
    """

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
        """Return the language in which the judge's own kernels are written: `c`, `cuda` or `triton`, the first language
        in `overheads`. Return an empty string as long as no dispatch overhead is measured.
        """
        return next(iter(self.overheads), "")

    def overheads_s(self, language: str) -> Overheads:
        """Return the dispatch overheads of candidates in `language` (`c`, `cuda` or `triton`): a dict from the idle
        seconds before a batch to the seconds that the batch takes beyond the candidate's work. The dict is empty if the
        language has not been measured.
        """
        return {idle_s: overhead.seconds for idle_s, overhead in self.overheads.get(language, {}).items()}
