"""What the harness found out about one candidate: a status, facts, and measurements with their denominators."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar


class Status(StrEnum):
    """The first stage that failed, in order; `passed` if none did."""

    NO_CANDIDATE = "no_candidate"
    REJECTED = "rejected"
    BUILD_FAILED = "build_failed"
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    INCORRECT = "incorrect"
    TAMPERED = "tampered"
    PASSED = "passed"

    @property
    def stage(self) -> int:
        """How far the candidate came, 0 (no candidate) to 7 (passed)."""
        return list(Status).index(self)


class Promotion(StrEnum):
    """How a passed candidate became the incumbent."""

    FIRST = "first"
    """There was no incumbent."""
    CLEAR = "clear"
    """Its slowest batch is 1.5x faster than the incumbent's fastest; no duel was needed."""
    DUEL = "duel"
    """It won a duel."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the build tells without running anything; None = does not apply to the language, or could not be read."""

    registers: int | None = None
    spill_bytes: int | None = None
    stack_bytes: int | None = None
    shared_bytes: int | None = None
    occupancy: float | None = None
    """Warps that fit a multiprocessor, as a fraction of its limit."""
    text_bytes: int | None = None
    """Machine code, bytes."""
    vector_bits: int | None = None
    """The widest vector register that arithmetic uses (CPU)."""
    warnings: tuple[str, ...] = ()
    instructions: Mapping[str, int] = field(default_factory=dict)
    """Static counts by class: `fma`, `spill_store` ... on a CPU; HGMMA, QGMMA, UTMALDG ... on a GPU."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval, in the unit of what it stands beside."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"an interval from {self.low} to {self.high}")


@dataclass(frozen=True, slots=True)
class Batch:
    """One timed batch: what the clock read and the key that regenerates its inputs."""

    case: str
    calls: int
    time_us: float
    """Per call, after the calibrated constant was deducted."""
    key: str
    """128-bit hex key of the counter-based generator."""
    telemetry: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measurement:
    """How fast the candidate is, with every denominator."""

    time_us: float
    """Score: time per call (weighted geometric mean where a task times several cases)."""
    interval_us: Interval
    """95 % interval of `time_us`, the between-process spread included."""
    utilization: float
    """Achieved rate / dense peak of the device for the task's unit, a fraction."""
    rate: float
    """Achieved units per second (FLOP/s, or bytes/s)."""
    peak: float
    """The denominator, in units per second."""
    unit: str
    """Which peak: `fp32`, `fp8`, `bf16`, `dram`."""
    pilot_us: float
    """The main case's correctness call."""
    vendor_ratio: float | None = None
    """Vendor library's time / this time on the same inputs: 1.05 = 5 % faster than the vendor line."""
    vendor_paired: bool = False
    """True where the vendor line ran interleaved with this candidate; false where its time at the start is used."""
    single_us: float | None = None
    """Audited time of single calls, where batches hold more than one."""
    sustained_us: float | None = None
    """Back to back for 2 s; promoted attempts on a GPU only, never a score."""
    utilization_at_clock: float | None = None
    """The same rate over what the device could do at the clock sampled during the batches, where it was sampled."""

    def __post_init__(self) -> None:
        if not (self.time_us > 0 and self.utilization > 0 and self.peak > 0):
            raise ValueError(f"a measurement of {self.time_us} us, utilization {self.utilization}, peak {self.peak}")


@dataclass(frozen=True, slots=True)
class Duel:
    """Contender and incumbent in turn on the same inputs: the only thing that calls a difference real."""

    MARGIN: ClassVar[float] = 1.01
    """A speedup is real once its interval lies beyond this; of twins, one duel in twenty ends barely beyond 1."""

    speedup: float
    """Median of the paired ratios incumbent time / contender time."""
    interval: Interval
    """Bootstrap 95 % interval of `speedup`."""
    quads: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the harness found out about one candidate."""

    status: Status
    detail: str = ""
    """Written for whoever reads it next: first compiler error, worst element, signal, deadline."""
    measurement: Measurement | None = None
    """Present exactly when `status` is `passed`."""
    promotion: Promotion | None = None
    """Set when the candidate became the incumbent."""
    duel: Duel | None = None
    facts: Facts = field(default_factory=Facts)
    batches: tuple[Batch, ...] = ()
    durations_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds by stage: build, correctness, timing, audit, duel, vendor."""
    guards_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds by guard, which are part of those: work done only because a candidate may cheat or be wrong."""
    isolation: int | None = None
    """Sandbox level under which the candidate ran; None where nothing ran."""
    notes: tuple[str, ...] = ()
    """What a reader should know beside the status: replanned, audited, flagged."""

    def __post_init__(self) -> None:
        if (self.measurement is not None) != (self.status is Status.PASSED):
            raise ValueError(f"a {self.status} verdict with measurement {self.measurement}")
        if self.promotion is not None and self.status is not Status.PASSED:
            raise ValueError(f"a {self.status} verdict cannot be promoted")

    @property
    def passed(self) -> bool:
        """Whether there is a score."""
        return self.status is Status.PASSED

    @property
    def utilization(self) -> float | None:
        """The score as a fraction of peak, None unless passed."""
        return self.measurement.utilization if self.measurement else None
