"""The writer's half of the wire: one JSON object a line, requests in, answers out.

The reader's half is kernelsmith/judge_client/wire.py; requests.py reads requests.

    request   {"v": 1, "id": "...", "op": "open" | "measure" | "contend" | "reproduce" | "duel" | "build", ...}
    answer    {"v": 1, "id": "...", "kind": "progress" | "opened" | "verdict" | "reproduced" | "duel" | "built"
                                           | "error", ...}

Every request gets progress answers and exactly one final answer. `error` means that there is no result and names where
the fault lies; a candidate's fault is a verdict. A line that is no request is answered with an `error`, and the next
one is read.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import IO, Any

from harness.contract import WIRE
from harness.wire import text as hygiene

VERSION: int = WIRE["version"]


class Fault(StrEnum):
    """Where the cause of an error lies."""

    HARNESS = "harness"
    MACHINE = "machine"
    """It cannot judge now: no compiler, no sandbox, another program on the GPU, an unknown peak."""
    TASK = "task"
    """A file of the task folder is wrong."""


class Figure(StrEnum):
    """A part of a verdict that other work on the device can disturb; see kernelsmith.core.verdict.Figure."""

    CALIBRATION = "calibration"
    TIMING = "timing"
    AUDIT = "audit"
    DUEL = "duel"
    VENDOR = "vendor"


@dataclass(frozen=True, slots=True)
class Source:
    """A candidate's file."""

    path: str
    language: str


class OpponentRole(StrEnum):
    """The opponent's place in the search."""

    INCUMBENT = "incumbent"
    """The best candidate so far: audit and duel, and the winner is promoted."""
    LINE = "line"
    """The head of the contender's own line: a short duel that promotes nobody."""


@dataclass(frozen=True, slots=True)
class Opponent:
    """A candidate that passed, and what it measured in this session, microseconds per call."""

    role: OpponentRole
    source: Source
    time_us: float
    fastest_us: float
    """Time of its fastest batch."""


@dataclass(frozen=True, slots=True)
class Open:
    """Calibrate for a task: peak, no-op constant, between-process spread, vendor line."""

    id: str
    task: str


@dataclass(frozen=True, slots=True)
class Measure:
    """Build, check and time one candidate, on any device."""

    id: str
    task: str
    candidate: Source
    racing_above_s: float | None = None
    """Seconds per call: a candidate whose first batches are all slower is scored from those; None = no race."""
    reveal_hidden: bool = False
    """Whether the verdict names a hidden case and what went wrong in it. Only `kernelsmith judge --reveal` asks so."""


@dataclass(frozen=True, slots=True)
class Reproduce:
    """Run one batch again on the inputs of a recorded key, unscored: `judge --inputs CASE:CALLS:KEY`."""

    id: str
    task: str
    candidate: Source
    case: str
    calls: int
    key: str


@dataclass(frozen=True, slots=True)
class DuelRequest:
    """Two candidates in turn on the same inputs, nothing else; without an incumbent, one and the vendor line."""

    id: str
    task: str
    candidate: Source
    incumbent: Source | None = None


@dataclass(frozen=True, slots=True)
class Build:
    """Build a GPU candidate into the cache, for a judge that may be asked about it next. Touches no device."""

    id: str
    task: str
    candidate: Source


@dataclass(frozen=True, slots=True)
class Interval:
    """95 % interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What the build tells; field by field kernelsmith.core.verdict.Facts."""

    registers: int | None = None
    spill_bytes: int | None = None
    stack_bytes: int | None = None
    shared_bytes: int | None = None
    occupancy: float | None = None
    text_bytes: int | None = None
    vector_bits: int | None = None
    warnings: tuple[str, ...] = ()
    instructions: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """One timed batch."""

    case: str
    calls: int
    time_us: float
    key: str
    telemetry: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measurement:
    """The score and its denominators."""

    time_us: float
    interval_us: Interval
    utilization: float
    rate: float
    peak: float
    unit: str
    pilot_us: float
    vendor_ratio: float | None = None
    vendor_paired: bool = False
    single_us: float | None = None
    sustained_us: float | None = None
    utilization_at_clock: float | None = None


@dataclass(frozen=True, slots=True)
class Duel:
    """Paired comparison; speedup = incumbent time / contender time."""

    speedup: float
    interval: Interval
    quads: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out about one candidate."""

    status: str
    detail: str = ""
    source_digest: str = ""
    measurement: Measurement | None = None
    promotion: str | None = None
    duel: Duel | None = None
    facts: Facts = field(default_factory=Facts)
    batches: tuple[Batch, ...] = ()
    durations_s: dict[str, float] = field(default_factory=dict)
    guards_s: dict[str, float] = field(default_factory=dict)
    isolation: int | None = None
    notes: tuple[str, ...] = ()
    disturbed: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True)
class VendorLine:
    """The vendor library as measured when the task was opened."""

    name: str
    time_us: float
    utilization: float


@dataclass(frozen=True, slots=True)
class Device:
    """What the numbers are measured on."""

    name: str
    kind: str
    peak: float
    unit: str
    isolation: int
    spread: float
    overhead_us: float
    worker_core: int | None = None
    vendor: VendorLine | None = None
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contend:
    """Compare a candidate that passed with its opponent, one candidate at a time."""

    id: str
    task: str
    candidate: Source
    measurement: Measurement
    batches: tuple[Batch, ...]
    """Its batches of the main case."""
    opponent: Opponent | None = None
    """None where no candidate has passed before."""


Request = Open | Measure | Contend | Reproduce | DuelRequest | Build


class Answers:
    """Writes answers to the private descriptor; a candidate never holds it."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def progress(self, request_id: str, stage: str, step: str = "") -> None:
        """Tell that a stage begins, or a step of a long one, such as `case wide, 3 of 5`."""
        told = {"step": hygiene.text(step, hygiene.MAX_NAME)} if step else {}
        self._write(request_id, "progress", {"stage": stage, **told})

    def opened(self, request_id: str, device: Device) -> None:
        """The task is calibrated."""
        self._write(request_id, "opened", {"device": asdict(device)})

    def verdict(self, request_id: str, verdict: Verdict) -> None:
        """The candidate is judged. The digest of what was built stands beside the verdict."""
        body = asdict(_fit(verdict))
        self._write(request_id, "verdict", {"source_digest": body.pop("source_digest"), "verdict": body})

    def duel(self, request_id: str, duel: Duel) -> None:
        """The duel is fought."""
        self._write(request_id, "duel", {"duel": asdict(duel)})

    def reproduced(self, request_id: str, *, is_correct: bool, detail: str) -> None:
        """One recorded batch was run again."""
        self._write(request_id, "reproduced", {"is_correct": is_correct, "detail": hygiene.text(detail)})

    def built(self, request_id: str) -> None:
        """The build has ended; how, the judge will find out."""
        self._write(request_id, "built", {})

    def error(self, request_id: str, message: str, *, fault: Fault = Fault.HARNESS) -> None:
        """The request has no result; nothing was found out about the candidate."""
        self._write(request_id, "error", {"message": hygiene.text(message), "fault": fault})

    def _write(self, request_id: str, kind: str, body: dict[str, Any]) -> None:
        line = json.dumps({"v": VERSION, "id": request_id, "kind": kind, **body}, allow_nan=False)
        self._stream.write(line + "\n")
        self._stream.flush()


def _fit(verdict: Verdict) -> Verdict:
    """The verdict with every text in it printable and capped."""
    facts, most = verdict.facts, hygiene.MAX_LINES
    counts = list(facts.instructions.items())[:most]
    facts = replace(
        facts,
        warnings=tuple(hygiene.text(warning) for warning in facts.warnings[:most]),
        instructions={hygiene.text(kind, hygiene.MAX_NAME): count for kind, count in counts},
    )
    notes = tuple(hygiene.text(note) for note in verdict.notes[:most])
    return replace(verdict, detail=hygiene.text(verdict.detail), facts=facts, notes=notes)
