"""Define the types of a verdict on one candidate: its status, facts from the build, measurement and duel."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from kernelsmith.core import contract
from kernelsmith.core.bounds import Calls, Count, Finite, Fraction, Key, Level, Name, Positive, Text
from kernelsmith.core.kinds import Unit


class Status(StrEnum):
    """The outcome of judging a candidate: the first stage that failed, such as `build_failed` or `incorrect`, or
    `passed`. The members are in the order of the stages.
    """

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
        """Return the place of the status in the order of stages, from 0 (`no_candidate`) to 7 (`passed`)."""
        return list(Status).index(self)


class Promotion(StrEnum):
    """The way in which a candidate became the incumbent, the best kernel so far: as the first that passed, as so much
    faster than the incumbent that no duel was needed, or by winning a duel against it.
    """

    FIRST = "first"
    """No candidate had passed before."""
    CLEAR = "clear"
    """Its slowest batch was faster than the incumbent's fastest by the policy's `clear_factor`; no duel was needed."""
    DUEL = "duel"
    """It won a duel against the incumbent."""


class Figure(StrEnum):
    """A figure of a verdict that other work on the device can disturb, such as the batch times or the duel's speedup.
    `Verdict.disturbed` lists the figures that were disturbed and are less reliable.
    """

    CALIBRATION = "calibration"
    """The constants that the harness measured when it opened the task."""
    TIMING = "timing"
    """The times of batches, from which the score is computed."""
    AUDIT = "audit"
    """The time of single calls."""
    DUEL = "duel"
    """The speedup over the incumbent."""
    VENDOR = "vendor"
    """The ratio to the vendor library's time, for which library and candidate ran in turn."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about a built candidate that the harness read from its machine code: registers, memory, code size, vector
    width, instructions, warnings. None means that the language has no such fact, or that it could not be read.
    """

    registers: Count | None = None
    """Registers per GPU thread."""
    spill_bytes: Count | None = None
    """Bytes of registers that the compiler moved to memory."""
    stack_bytes: Count | None = None
    """Bytes of stack per thread."""
    shared_bytes: Count | None = None
    """Bytes of shared memory per GPU block."""
    occupancy: Fraction | None = None
    """Warps that fit on a GPU's multiprocessor at once, as a fraction of the hardware's limit."""
    text_bytes: Count | None = None
    """Size of the machine code in bytes."""
    vector_bits: Count | None = None
    """Width in bits of the widest CPU vector register that arithmetic uses."""
    warnings: tuple[Text, ...] = ()
    """The compiler's warnings, one text each."""
    instructions: Mapping[Name, Count] = field(default_factory=dict)
    """Number of instructions in the code by class: `fma`, `spill_store` on a CPU; HGMMA, UTMALDG on a GPU."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval from `low` to `high`, in the unit of the figure that it belongs to, such as
    microseconds. Raises ValueError if low > high, or if either is NaN.
    """

    low: Finite
    high: Finite

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"an interval from {self.low} to {self.high}")


@dataclass(frozen=True, slots=True)
class Batch:
    """One timed batch of calls in one case of the task: case name, number of calls, microseconds per call, readings of
    the GPU such as its clock, and the key from which the judge can draw the batch's random inputs again. The harness
    makes it.
    """

    case: Name
    calls: Calls
    """Number of calls in the batch."""
    time_us: Positive
    """Microseconds per call, after the dispatch overhead was deducted."""
    key: Key
    telemetry: Mapping[Name, Finite] = field(default_factory=dict)
    """Readings of the GPU during the batch by name, such as `sm_clock_mhz`; empty on a CPU."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """The speed of a candidate that passed: its score in microseconds per call with a 95 % interval, its utilization
    (achieved rate divided by the device's peak), and the vendor library's time divided by the candidate's time. Raises
    ValueError unless time, utilization and peak are above 0.
    """

    time_us: Positive
    """The score: microseconds per call, as the weighted geometric mean over the timed cases."""
    interval_us: Interval
    """95 % interval of `time_us` in microseconds; it includes the differences between processes."""
    utilization: Positive
    """Achieved rate divided by the device's peak, a fraction."""
    rate: Positive
    """Achieved operations or bytes per second."""
    peak: Positive
    """Highest rate of the device in the task's unit, in operations or bytes per second."""
    unit: Unit
    """Unit that `rate` and `peak` count."""
    pilot_us: Positive
    """Microseconds per call of the main case's first, untimed calls."""
    vendor_ratio: Positive | None = None
    """The vendor library's time divided by this time: 1.05 means 5 % faster than the vendor. None without a vendor."""
    vendor_paired: bool = False
    """Whether the vendor library ran in turn with this candidate; if False, its time at calibration is used."""
    single_us: Positive | None = None
    """Microseconds of a single call in the audit; None if no audit was made."""
    sustained_us: Positive | None = None
    """Microseconds per call without idle gaps for 2 s, measured for promoted attempts on a GPU; never a score."""
    utilization_at_clock: Positive | None = None
    """Achieved rate divided by the peak at the clock rate during the batches; None if no clock was sampled."""

    def __post_init__(self) -> None:
        if not (self.time_us > 0 and self.utilization > 0 and self.peak > 0):
            raise ValueError(f"a measurement of {self.time_us} us, utilization {self.utilization}, peak {self.peak}")


@dataclass(frozen=True, slots=True)
class Duel:
    """The result of a duel, in which a contender and its opponent, usually the best kernel so far, ran in turn (A B B
    A) on the same inputs: the contender's speedup over the opponent, the 95 % interval of the speedup, and the number
    of A B B A rounds (`quads`).
    """

    MARGIN: ClassVar[float] = contract.duel_margin()
    """The speedup that the interval's lower end must exceed. With 1 instead, one duel in twenty between two copies of
    the same kernel would find a difference."""

    speedup: Positive
    """Incumbent's time divided by contender's time, as the median over all pairs of turns."""
    interval: Interval
    """95 % interval of `speedup`, by bootstrap."""
    quads: Count
    """Number of rounds A B B A."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that the harness found out about one candidate: status, explanation for the next reader (`detail`),
    score, how it became the best (`promotion`), duel, build facts, batches and notes. Raises ValueError if a `passed`
    verdict lacks a measurement, or if another one has a measurement or a promotion.
    """

    status: Status
    detail: Text = ""
    """Description of the fault for an engineer or a model: first compiler error, worst element, signal or deadline."""
    measurement: Measurement | None = None
    """Present exactly when `status` is `passed`."""
    promotion: Promotion | None = None
    """Way in which the candidate became the incumbent; None if it did not."""
    duel: Duel | None = None
    """The duel with the incumbent; None if there was none."""
    facts: Facts = field(default_factory=Facts)
    batches: tuple[Batch, ...] = ()
    durations_s: Mapping[Name, Fraction] = field(default_factory=dict)
    """Seconds that each stage took: build, correctness, timing, audit, duel, vendor."""
    guards_s: Mapping[Name, Fraction] = field(default_factory=dict)
    """Seconds that each guard against cheating took; they are part of the stages' seconds."""
    isolation: Level | None = None
    """Sandbox level under which the candidate ran; None if nothing ran."""
    notes: tuple[Text, ...] = ()
    """Further sentences about the judgement: a changed plan, an audit, a suspicious instruction mix."""
    disturbed: tuple[Figure, ...] = ()
    """The figures that other work on the device disturbed; a note says which work."""

    def __post_init__(self) -> None:
        if (self.measurement is not None) != (self.status is Status.PASSED):
            raise ValueError(f"a {self.status} verdict with measurement {self.measurement}")
        if self.promotion is not None and self.status is not Status.PASSED:
            raise ValueError(f"a {self.status} verdict cannot be promoted")

    @property
    def passed(self) -> bool:
        """Return whether the candidate passed every stage and has a score."""
        return self.status is Status.PASSED

    @property
    def utilization(self) -> float | None:
        """Return the achieved rate as a fraction of the device's peak, or None if the candidate did not pass."""
        return self.measurement.utilization if self.measurement else None
