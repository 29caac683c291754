"""Defines the requests and answers between the agent and the judge, and writes answers: one JSON object per line.

requests.py reads requests; the agent reads answers with kernelsmith/judge_client/wire.py.

    request   {"v": 2, "id": "...", "op": "open" | "measure" | "contend" | "reproduce" | "duel" | "build", ...}
    answer    {"v": 2, "id": "...", "kind": "progress" | "opened" | "verdict" | "reproduced" | "duel" | "built"
                                           | "error", ...}

Every request gets any number of progress answers and exactly one final answer. An `error` answer means that there is no
result; its key `fault` says where the cause lies. A candidate's own fault is never an error but a verdict. A line that
is not a valid request is answered with an `error`; then the next line is read.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import IO, Any

from harness.contract import WIRE
from harness.wire import text as hygiene

VERSION: int = WIRE["version"]


class Fault(StrEnum):
    """Where the cause of an `error` answer lies."""

    HARNESS = "harness"
    MACHINE = "machine"
    """The machine cannot judge now: it lacks a compiler or sandbox, its GPU is in use, or its peak is unknown."""
    TASK = "task"
    """A file of the task folder is wrong."""


class Figure(StrEnum):
    """A part of a verdict that other work on the device can disturb. Members as in kernelsmith.core.verdict.Figure."""

    CALIBRATION = "calibration"
    TIMING = "timing"
    AUDIT = "audit"
    DUEL = "duel"
    VENDOR = "vendor"


@dataclass(frozen=True, slots=True)
class Source:
    """The source file of a candidate, and its language."""

    path: str
    language: str
    """`c`, `cuda` or `triton`."""


class OpponentRole(StrEnum):
    """The role of a contender's opponent in the search, which decides what is measured."""

    INCUMBENT = "incumbent"
    """The best candidate so far. The contender gets an audit and a duel, and is promoted if it wins."""
    LINE = "line"
    """The head of the contender's own line. The contender gets a short duel, which promotes no candidate."""


@dataclass(frozen=True, slots=True)
class Opponent:
    """A candidate that passed and is compared with a contender; times were measured in this session of the judge."""

    role: OpponentRole
    source: Source
    time_us: float
    """Score in microseconds per call."""
    fastest_us: float
    """Microseconds per call in the fastest batch."""


@dataclass(frozen=True, slots=True)
class Open:
    """Request to open a task: measure its peak, dispatch overhead, process spread and vendor line."""

    id: str
    task: str


@dataclass(frozen=True, slots=True)
class Measure:
    """Request to build, check and time one candidate."""

    id: str
    task: str
    """Absolute path of the task folder, as in every request."""
    candidate: Source
    racing_above_s: float | None = None
    """Seconds per call. If the first batches are all slower, timing ends and they give the score; None = never."""
    reveal_hidden: bool = False
    """Whether the verdict names a hidden case and what went wrong in it. Only `kernelsmith judge --reveal` asks so."""


@dataclass(frozen=True, slots=True)
class Reproduce:
    """Request to run one recorded batch again, unscored, on the inputs of its key (`judge --inputs CASE:CALLS:KEY`)."""

    id: str
    task: str
    candidate: Source
    case: str
    calls: int
    key: str


@dataclass(frozen=True, slots=True)
class DuelRequest:
    """Request to compare two candidates in a duel, without any other stage of a judgement."""

    id: str
    task: str
    candidate: Source
    incumbent: Source | None = None
    """The opponent; None = the vendor line."""


@dataclass(frozen=True, slots=True)
class Build:
    """Request to build a GPU candidate into the cache before another judge measures it; no device is used."""

    id: str
    task: str
    candidate: Source


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about a candidate's machine code, without running it. Fields as in kernelsmith.core.verdict.Facts."""

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
    """One timed batch: its case, its number of calls, microseconds per call, and the key of its inputs."""

    case: str
    calls: int
    time_us: float
    """Microseconds per call."""
    key: str
    """Hexadecimal key from which the inputs of the batch can be drawn again."""
    telemetry: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measurement:
    """The score of a candidate, with peak and vendor ratio. Fields as in kernelsmith.core.verdict.Measurement."""

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
    """The result of a duel; `speedup` is the opponent's time divided by the contender's time."""

    speedup: float
    interval: Interval
    quads: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of judging one candidate. Fields as in kernelsmith.core.verdict.Verdict."""

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
    """The vendor library's name, time and utilization, measured when the task was opened."""

    name: str
    time_us: float
    utilization: float


@dataclass(frozen=True, slots=True)
class Device:
    """The device of a judge with its calibration. Fields as in kernelsmith.core.run.Device."""

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
    """Request to compare a candidate that passed `measure` with its opponent."""

    id: str
    task: str
    candidate: Source
    measurement: Measurement
    """What `measure` returned for the candidate."""
    batches: tuple[Batch, ...]
    """The candidate's batches of the main case."""
    opponent: Opponent | None = None
    """None if no candidate has passed before."""


Request = Open | Measure | Contend | Reproduce | DuelRequest | Build


class Answers:
    """Writes answers to a stream, one JSON line each. No candidate's process inherits the stream's descriptor.

    Each method takes the `id` of the request that it answers.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def progress(self, request_id: str, stage: str, step: str = "") -> None:
        """Write that a stage begins, or a step of a long stage (`step`, such as `case wide, 3 of 5`)."""
        optional = {"step": hygiene.text(step, hygiene.MAX_NAME)} if step else {}
        self._write(request_id, "progress", {"stage": stage, **optional})

    def opened(self, request_id: str, device: Device) -> None:
        """Write the final answer to `open`: the device and its calibration."""
        self._write(request_id, "opened", {"device": asdict(device)})

    def verdict(self, request_id: str, verdict: Verdict) -> None:
        """Write a verdict as the final answer, with the digest of the source that was judged as a key of its own."""
        body = asdict(_fit(verdict))
        self._write(request_id, "verdict", {"source_digest": body.pop("source_digest"), "verdict": body})

    def duel(self, request_id: str, duel: Duel) -> None:
        """Write the result of a duel as the final answer."""
        self._write(request_id, "duel", {"duel": asdict(duel)})

    def reproduced(self, request_id: str, *, is_correct: bool, detail: str) -> None:
        """Write the final answer to `reproduce`: whether the outputs were correct, and a detail in words."""
        self._write(request_id, "reproduced", {"is_correct": is_correct, "detail": hygiene.text(detail)})

    def built(self, request_id: str) -> None:
        """Write the final answer to `build`: the build has ended, whether or not it succeeded."""
        self._write(request_id, "built", {})

    def error(self, request_id: str, message: str, *, fault: Fault = Fault.HARNESS) -> None:
        """Write that the request has no result, and where the cause lies; it says nothing about the candidate."""
        self._write(request_id, "error", {"message": hygiene.text(message), "fault": fault})

    def _write(self, request_id: str, kind: str, body: dict[str, Any]) -> None:
        line = json.dumps({"v": VERSION, "id": request_id, "kind": kind, **body}, allow_nan=False)
        self._stream.write(line + "\n")
        self._stream.flush()


def _fit(verdict: Verdict) -> Verdict:
    """Return a copy of a verdict with all texts printable and within the limits of `hygiene`."""
    facts, most_lines = verdict.facts, hygiene.MAX_LINES
    counts = list(facts.instructions.items())[:most_lines]
    facts = replace(
        facts,
        warnings=tuple(hygiene.text(warning) for warning in facts.warnings[:most_lines]),
        instructions={hygiene.text(kind, hygiene.MAX_NAME): count for kind, count in counts},
    )
    notes = tuple(hygiene.text(note) for note in verdict.notes[:most_lines])
    return replace(verdict, detail=hygiene.text(verdict.detail), facts=facts, notes=notes)
