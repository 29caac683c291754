"""Define the types of a run, one search for a faster kernel: its settings, budget, device, events, ending and
provenance.
"""

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
"""Default of RunConfig.calibration_s."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of a run: number of answered asks (`attempts`), hours, US dollars for model calls, and a utilization
    at which the run ends (`target`). The run ends at the first limit that it reaches; None means no limit of that kind.
    Raises ValueError if attempts, hours and usd are all None.
    """

    attempts: Amount | None = 60
    """Number of answered asks. Further trials of an ask do not count."""
    hours: Limit | None = None
    """Hours spent on attempts, summed over all resumes."""
    usd: Limit | None = None
    """Cost of all model calls in US dollars."""
    target: Annotated[float, Bounds(gt=0, le=1)] | None = None
    """Utilization at which the run ends, as a fraction of the device's peak."""

    def __post_init__(self) -> None:
        if self.attempts is None and self.hours is None and self.usd is None:
            raise ValueError("a budget without any limit")


@dataclass(frozen=True, slots=True)
class RunConfig:
    """The settings of a run: task, proposer (what suggests kernels), budget, seed, model, device and others.
    app/settings.py makes it from command-line options and a config file, whose keys are these fields, and checks types
    and bounds. The log keeps it, so that a resumed run has the same settings.
    """

    task: Words
    """The name of a shipped task, or the path of a task folder."""
    proposer: Words
    """`model`, `tuner`, `folder:DIR`, or `replay:RUN`; app/proposers.py interprets it."""
    budget: Budget = field(default_factory=Budget)
    seed: int = 0
    """Seed of every random choice of the agent."""
    model: Words | None = None
    """The model's name at its endpoint, or `scripted:DIR`; None if no model is asked."""
    base_url: Words | None = None
    """URL of the OpenAI-compatible endpoint; None if no endpoint is asked."""
    from_file: Words | None = None
    """Path of a kernel that becomes attempt 0 instead of the task's skeleton; None means the skeleton."""
    plateau: Amount = 8
    """Number of asks without a promotion after which the plateau ladder changes the stance."""
    history_tokens: Amount = 12_000
    """Tokens that past attempts may take in a prompt."""
    temperature: Annotated[float, Bounds(ge=0, le=2)] | None = None
    """Sampling temperature of the model; None means the endpoint's default."""
    price_per_mtok: tuple[Price, Price] | None = None
    """US dollars per million prompt tokens and per million completion tokens, for an endpoint that states no cost."""
    calibration_s: Annotated[float, Bounds(gt=0, le=60)] = CALIBRATION_S
    """Seconds over which the peak of a CPU is measured when a task is opened."""
    trust_candidates: bool = False
    """Whether candidates run without a sandbox on a machine that offers none; if False, the run is refused there."""
    harness_python: Words | None = None
    """Path of the interpreter that runs the harness; None means the agent's own."""
    device: Words | None = None
    """`scripted:FILE` for a device whose times come from a file; None means the device of the task's kind."""


@dataclass(frozen=True, slots=True)
class VendorLine:
    """The speed of the vendor's library (such as cuBLASLt) in the task's main case, with which reports compare
    candidates: library name, microseconds per call and utilization. The harness measures the library like a candidate,
    on the same inputs.
    """

    name: Name
    """Name of the library, and on a CPU of its kernel: `OpenBLAS (Haswell)`, `cuBLASLt`."""
    time_us: Positive
    """Microseconds per call."""
    utilization: Fraction
    """Achieved rate as a fraction of the device's peak."""


@dataclass(frozen=True, slots=True)
class Device:
    """The device that measures a run: name, kind, peak rate, sandbox level of the workers, and what the harness
    measured when it opened the task: dispatch overhead, spread between processes, vendor library's time. Harness.open
    returns it.
    """

    name: Name
    kind: MeasuringKind
    peak: Positive
    """Highest dense rate of the device in the task's unit: operations or bytes per second."""
    unit: Unit
    isolation: Level
    """Sandbox level of the workers: 3 confines most, 0 least."""
    spread: Fraction
    """Relative difference of one kernel's time between two processes, as a fraction of the time."""
    overhead_us: Fraction
    """Dispatch overhead in microseconds, which is deducted from the time of every batch."""
    worker_core: Count | None = None
    """Number of the CPU core that only candidates use; None on a GPU, or if the machine has only one core."""
    vendor: VendorLine | None = None
    """None if the task names no vendor library, or if the library is not installed."""
    details: Mapping[Name, Text] = field(default_factory=dict)
    """Further facts in words, by topic: cores, caches, compiler, clocks."""


class EventKind(StrEnum):
    """The kind of an event of a run, such as `promotion` or `paused`. Events are everything that the log records of a
    run except asks, model calls and attempts.
    """

    STARTED = "started"
    """The run was created."""
    OPENED = "opened"
    """The harness opened the task; the data hold the device."""
    JUDGING = "judging"
    """A candidate was sent to the harness."""
    SWEEP = "sweep"
    """A proposal has further trials; the data hold `trials`, the number of all its trials."""
    PLATEAU = "plateau"
    """The run reached a plateau: no duel was won for a number of asks."""
    RUNG = "rung"
    """The plateau ladder changed the stance."""
    PROMOTION = "promotion"
    """An attempt became the incumbent."""
    RESUME = "resume"
    """The run was resumed; the data hold what changed: task digest, program version, harness digest, timing policy."""
    REMEASURED = "remeasured"
    """The incumbent was judged again after the harness, timing policy or task changed; the data hold its times."""
    EXTENSION = "extension"
    """The budget was extended; the data hold the new limits."""
    REFUSAL = "refusal"
    """The proposer gave up, or its answer held no code."""
    EXHAUSTED = "exhausted"
    """The proposer had no further candidate, and the run ended."""
    TROUBLE = "trouble"
    """The endpoint, the harness or the disk failed. With an ask number, a judgement ended without a verdict, and the
    candidate was not the cause."""
    JUDGE_DIED = "judge_died"
    """The judge's process ended while it judged the candidate of this ask."""
    PAUSED = "paused"
    """The user, or a failure that may pass, stopped the run."""
    ENDED = "ended"
    """The run reached a limit of its budget, or its target."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run, as the log keeps it: kind, time, number of the ask that it belongs to (None for
    the whole run), and data, a mapping from names to values that depend on the kind.
    """

    kind: EventKind
    at: datetime
    """In UTC."""
    ask_number: int | None = None
    """The ask that the event belongs to; None if it belongs to the whole run."""
    data: Mapping[str, object] = field(default_factory=dict)
    """Values by name; EventKind says which names an event of a kind has."""


class StopReason(StrEnum):
    """The reason why a run ended or paused, such as a limit of its budget. The log stores it as the value `limit` in
    the data of an event `ended`, `exhausted` or `paused`.
    """

    TARGET = "target"
    ATTEMPTS = "attempts"
    HOURS = "hours"
    USD = "usd"
    EXHAUSTED = "exhausted"
    """The proposer had no further candidate."""
    USER = "user"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Ending:
    """The reason why a run ends: in `limit` the limit that it reached, as a StopReason, and in `words` a sentence for
    people. `core.budget.spent` makes it.
    """

    limit: StopReason
    words: str
    """The reason for people: `60 asks, 84 attempts (24 sweep trials)`, or `target reached: ...`."""


class RunStatus(StrEnum):
    """The state of a run: running, interrupted (its process ended without recording an end), paused or ended. The
    reader of the log derives it from the run's latest event and from whether a process holds the run's lock; the log
    does not store it.
    """

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Origin of a run's figures: version of the program, digests of the harness and of the prompt templates, and
    the timing policy (margins and durations). Only figures of equal provenance can be compared. The log keeps it for
    the start and for every resume of a run.
    """

    program: str = ""
    """Release and digest of the agent's source, `0.2.0+3fa1b2c4d5e6`; empty in logs written before schema 4."""
    harness_digest: str = ""
    """SHA-256 sum over the harness's files, in hexadecimal."""
    templates_digest: str = ""
    """SHA-256 sum over the prompt templates, in hexadecimal; the log keeps the templates under this digest."""
    timing_policy: Mapping[str, object] = field(default_factory=dict)
    """Margins, durations and sample counts of a measurement: the table `[timing]` of contract.toml."""


@dataclass(frozen=True, slots=True)
class Run:
    """One search for a faster kernel, as the log keeps it: number, name, settings, digest of the task's files, time of
    creation and provenance (what produced its figures). Its attempts and events are in `History`.
    """

    id: int
    """Number within the database."""
    name: str
    config: RunConfig
    task_digest: str
    """Digest of the task folder when the run was created; the log keeps the folder's files under this digest."""
    created_at: datetime
    """In UTC."""
    uuid: str = ""
    """Identifier that stays the same in every database to which the run is copied."""
    provenance: Provenance = field(default_factory=Provenance)
