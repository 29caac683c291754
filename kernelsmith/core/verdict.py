"""What the harness found out about one candidate: a status, facts, and measurements with their denominators."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from kernelsmith.core import contract
from kernelsmith.core.bounds import Calls, Count, Finite, Fraction, Key, Level, Name, Positive, Text
from kernelsmith.core.kinds import Unit


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
    """Its slowest batch beats the incumbent's fastest by the policy's `clear_factor`; no duel was needed."""
    DUEL = "duel"
    """It won a duel."""


class Figure(StrEnum):
    """A part of a verdict that other work on the device can disturb."""

    CALIBRATION = "calibration"
    """What the harness measured when it opened the task."""
    TIMING = "timing"
    """The batches of a case, and so the score."""
    AUDIT = "audit"
    """The time of single calls."""
    DUEL = "duel"
    """The speedup over the incumbent."""
    VENDOR = "vendor"
    """The ratio to the vendor line that ran interleaved with the candidate."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the build tells without running anything; None = does not apply to the language, or could not be read."""

    registers: Count | None = None
    spill_bytes: Count | None = None
    stack_bytes: Count | None = None
    shared_bytes: Count | None = None
    occupancy: Fraction | None = None
    """Warps that fit a multiprocessor, as a fraction of its limit."""
    text_bytes: Count | None = None
    """Machine code, bytes."""
    vector_bits: Count | None = None
    """The widest vector register that arithmetic uses (CPU)."""
    warnings: tuple[Text, ...] = ()
    instructions: Mapping[Name, Count] = field(default_factory=dict)
    """Static counts by class: `fma`, `spill_store` ... on a CPU; HGMMA, QGMMA, UTMALDG ... on a GPU."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval, in the unit of what it stands beside."""

    low: Finite
    high: Finite

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"an interval from {self.low} to {self.high}")


@dataclass(frozen=True, slots=True)
class Batch:
    """One timed batch: what the clock read and the key that regenerates its inputs."""

    case: Name
    calls: Calls
    time_us: Positive
    """Per call, after the calibrated constant was deducted."""
    key: Key
    """128-bit hex key of the counter-based generator."""
    telemetry: Mapping[Name, Finite] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measurement:
    """How fast the candidate is, with every denominator."""

    time_us: Positive
    """Score: time per call (weighted geometric mean where a task times several cases)."""
    interval_us: Interval
    """95 % interval of `time_us`, the between-process spread included."""
    utilization: Positive
    """Achieved rate / dense peak of the device for the task's unit, a fraction."""
    rate: Positive
    """Achieved units per second (FLOP/s, or bytes/s)."""
    peak: Positive
    """The denominator, in units per second."""
    unit: Unit
    """Which peak of the device `peak` is."""
    pilot_us: Positive
    """The main case's correctness call."""
    vendor_ratio: Positive | None = None
    """Vendor library's time / this time on the same inputs: 1.05 = 5 % faster than the vendor line."""
    vendor_paired: bool = False
    """True where the vendor line ran interleaved with this candidate; false where its time at the start is used."""
    single_us: Positive | None = None
    """Audited time of single calls, where batches hold more than one."""
    sustained_us: Positive | None = None
    """Back to back for 2 s; promoted attempts on a GPU only, never a score."""
    utilization_at_clock: Positive | None = None
    """The same rate over what the device could do at the clock sampled during the batches, where it was sampled."""

    def __post_init__(self) -> None:
        if not (self.time_us > 0 and self.utilization > 0 and self.peak > 0):
            raise ValueError(f"a measurement of {self.time_us} us, utilization {self.utilization}, peak {self.peak}")


@dataclass(frozen=True, slots=True)
class Duel:
    """Contender and incumbent in turn on the same inputs: the only thing that calls a difference real."""

    MARGIN: ClassVar[float] = contract.duel_margin()
    """A speedup is real once its interval lies beyond this; of twins, one duel in twenty ends barely beyond 1."""

    speedup: Positive
    """Median of the paired ratios incumbent time / contender time."""
    interval: Interval
    """Bootstrap 95 % interval of `speedup`."""
    quads: Count


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the harness found out about one candidate."""

    status: Status
    detail: Text = ""
    """Written for whoever reads it next: first compiler error, worst element, signal, deadline."""
    measurement: Measurement | None = None
    """Present exactly when `status` is `passed`."""
    promotion: Promotion | None = None
    """Set when the candidate became the incumbent."""
    duel: Duel | None = None
    facts: Facts = field(default_factory=Facts)
    batches: tuple[Batch, ...] = ()
    durations_s: Mapping[Name, Fraction] = field(default_factory=dict)
    """Seconds by stage: build, correctness, timing, audit, duel, vendor."""
    guards_s: Mapping[Name, Fraction] = field(default_factory=dict)
    """Seconds by guard, which are part of those: work done only because a candidate may cheat or be wrong."""
    isolation: Level | None = None
    """Sandbox level under which the candidate ran; None where nothing ran."""
    notes: tuple[Text, ...] = ()
    """What a reader should know beside the status: replanned, audited, flagged."""
    disturbed: tuple[Figure, ...] = ()
    """The figures during whose last measurement something else ran on the device; a note says what."""

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
