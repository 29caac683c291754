"""A run: one search with its task, config, seed and device, what made it, and the budget that ends it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from kernelsmith.core.bounds import Bounds, Count, Fraction, Level, Name, Positive, Text
from kernelsmith.core.kinds import MeasuringKind, Unit

Limit = Annotated[float, Bounds(gt=0, lt=1e12)]
Amount = Annotated[int, Bounds(ge=1)]
Price = Annotated[float, Bounds(ge=0, lt=1e6)]
Words = Annotated[str, Bounds(shortest=1)]
CALIBRATION_S = 2.0
"""Seconds over which the CPU peak is probed where nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may spend; None = no limit of that kind. It ends at the first limit reached, or at the target."""

    attempts: Amount | None = 60
    """Asks that are answered; the trials of a sweep do not count."""
    hours: Limit | None = None
    """Summed active time, over all resumes."""
    usd: Limit | None = None
    target: Annotated[float, Bounds(gt=0, le=1)] | None = None
    """Utilization at which the run ends, as a fraction of the device's peak."""

    def __post_init__(self) -> None:
        if self.attempts is None and self.hours is None and self.usd is None:
            raise ValueError("a budget without any limit")


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything a run was asked to be; with the log and the seed it determines every directive.

    A field is a key of a config file; app/settings.py checks types and bounds as they stand here.
    """

    task: Words
    """A task's name, or the path of its folder."""
    proposer: Words
    """`model`, `tuner`, `folder:DIR`, or `replay:RUN`; app/proposers.py reads it."""
    budget: Budget = field(default_factory=Budget)
    seed: int = 0
    model: Words | None = None
    base_url: Words | None = None
    from_file: Words | None = None
    """A kernel the user already owns, judged as attempt 0 in the skeleton's place."""
    plateau: Amount = 8
    """Asks without a promotion before the ladder moves a rung."""
    history_tokens: Amount = 12_000
    """Room for past attempts in a prompt."""
    temperature: Annotated[float, Bounds(ge=0, le=2)] | None = None
    price_per_mtok: tuple[Price, Price] | None = None
    """USD per million prompt and completion tokens, where the endpoint does not say the cost."""
    calibration_s: Annotated[float, Bounds(gt=0, le=60)] = CALIBRATION_S
    """Seconds over which the CPU peak is probed at start."""
    trust_candidates: bool = False
    """Run candidates without a sandbox where the machine offers none."""
    harness_python: Words | None = None
    """The interpreter that runs the harness; None = the agent's own."""
    device: Words | None = None
    """`scripted:FILE`: a device that does what a script says; None = the device of the task's kind."""


@dataclass(frozen=True, slots=True)
class VendorLine:
    """The vendor library, measured through the same worker path on the same inputs."""

    name: Name
    """`OpenBLAS (Haswell)`, `cuBLASLt`."""
    time_us: Positive
    utilization: Fraction


@dataclass(frozen=True, slots=True)
class Device:
    """What the run is measured on, as the harness found it when it opened the task."""

    name: Name
    kind: MeasuringKind
    peak: Positive
    """Dense peak for the task's unit, units per second."""
    unit: Unit
    isolation: Level
    """Sandbox level, 0 to 3."""
    spread: Fraction
    """Between-process spread by A/A at start, as a fraction of the time."""
    overhead_us: Fraction
    """Constant deducted from every batch, calibrated with a no-op worker."""
    worker_core: Count | None = None
    """The CPU core kept free for candidates; None on a GPU, or where there is only one core."""
    vendor: VendorLine | None = None
    details: Mapping[Name, Text] = field(default_factory=dict)
    """Cores, caches, compiler, clocks: what a reader of the number may ask for."""


class EventKind(StrEnum):
    """What happens in a run beside its attempts."""

    STARTED = "started"
    OPENED = "opened"
    """The harness opened the task; data holds the device."""
    JUDGING = "judging"
    """A candidate was handed to the harness."""
    SWEEP = "sweep"
    """An answer has further trials; data holds `trials`, the number of all of them."""
    PLATEAU = "plateau"
    RUNG = "rung"
    """The stance changed."""
    PROMOTION = "promotion"
    RESUME = "resume"
    """The run goes on; data holds what differs from before: task digest, program version, harness digest, policy."""
    REMEASURED = "remeasured"
    """The incumbent was judged again, because harness, timing policy or task had changed; data holds its times."""
    EXTENSION = "extension"
    """The budget was extended; data holds the new limits."""
    REFUSAL = "refusal"
    """The proposer gave up or answered without code."""
    EXHAUSTED = "exhausted"
    TROUBLE = "trouble"
    """Infrastructure failed: endpoint, harness, disk. With an ask number, the judging of that ask ended without a
    verdict and not by the candidate's doing."""
    JUDGE_DIED = "judge_died"
    """The judge's process ended while it judged the candidate of this ask."""
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the run's diary."""

    kind: EventKind
    at: datetime
    """UTC."""
    ask_number: int | None = None
    data: Mapping[str, object] = field(default_factory=dict)


class StopReason(StrEnum):
    """Why a run ended or paused; stands in the data of its `ended`, `exhausted` or `paused` event as `limit`."""

    TARGET = "target"
    ATTEMPTS = "attempts"
    HOURS = "hours"
    USD = "usd"
    EXHAUSTED = "exhausted"
    """The proposer has nothing more to offer."""
    USER = "user"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a run ends, for programs and for people."""

    limit: StopReason
    words: str
    """`60 asks, 84 attempts (24 sweep trials)`, `target reached: ...`."""


class RunStatus(StrEnum):
    """Derived from the last event and the per-run lock, never stored."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made a run's figures, so that a reader knows which of them can be compared."""

    program: str = ""
    """Release and digest of the agent's source, `0.2.0+3fa1b2c4d5e6`; empty in logs written before schema 4."""
    harness_digest: str = ""
    """SHA-256 over the harness's files, hex."""
    templates_digest: str = ""
    """Of the prompt templates, which are kept as a snapshot."""
    timing_policy: Mapping[str, object] = field(default_factory=dict)
    """Margins, durations and sample counts of a measurement, as contract.toml holds them."""


@dataclass(frozen=True, slots=True)
class Run:
    """One search."""

    id: int
    """Within its database."""
    name: str
    config: RunConfig
    task_digest: str
    """Of the task folder as it was when the run started; its files are in the log under this digest."""
    created_at: datetime
    uuid: str = ""
    """The same in every database that the run is copied to."""
    provenance: Provenance = field(default_factory=Provenance)
