"""Defines the requests that the agent (the program that searches for kernels) sends to the judge (the harness process
that measures them), and the answers. Writes answers to a stream. A request or answer is one line with a JSON object.

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
    """The cause of an `error` answer: the harness itself, the machine, or a file of the task folder. A candidate's own
    fault is never an error but a verdict.
    """

    HARNESS = "harness"
    MACHINE = "machine"
    """The machine cannot judge now: it lacks a compiler or sandbox, its GPU is in use, or its peak is unknown."""
    TASK = "task"
    """A file of the task folder is wrong."""


class Figure(StrEnum):
    """A measured part of a verdict that other work on the device can falsify: calibration, timing of batches, audit
    (times of single calls), duel, or comparison with the vendor library. The field `disturbed` of a verdict lists the
    parts that were falsified. kernelsmith.core.verdict.Figure has the same members.
    """

    CALIBRATION = "calibration"
    TIMING = "timing"
    AUDIT = "audit"
    DUEL = "duel"
    VENDOR = "vendor"


@dataclass(frozen=True, slots=True)
class Source:
    """The source file of a candidate: absolute path, and language (`c`, `cuda` or `triton`). Requests hold it."""

    path: str
    language: str
    """`c`, `cuda` or `triton`."""


class OpponentRole(StrEnum):
    """The role of the kernel with which a new candidate is compared: the best kernel of the run (`incumbent`), or the
    latest kernel of the candidate's own line of development (`line`). It decides how long the comparison is and whether
    the candidate can be promoted.
    """

    INCUMBENT = "incumbent"
    """The best candidate so far. The contender gets an audit and a duel, and is promoted if it wins."""
    LINE = "line"
    """The head of the contender's own line. The contender gets a short duel, which promotes no candidate."""


@dataclass(frozen=True, slots=True)
class Opponent:
    """The kernel with which a new candidate is compared in a `contend` request: its role (best kernel of the run, or
    latest of the candidate's line), source file, score and fastest batch. Both times are in microseconds per call and
    were measured by this judge process when the kernel passed.
    """

    role: OpponentRole
    source: Source
    time_us: float
    """Score in microseconds per call."""
    fastest_us: float
    """Microseconds per call in the fastest batch."""


@dataclass(frozen=True, slots=True)
class Open:
    """The request `open`: open the task in the folder with the absolute path `task`, and measure the device's peak, the
    overhead of a call, the spread of times between processes, and the vendor library's time. `id` is repeated in the
    answers. The final answer is `opened`, or `error`.
    """

    id: str
    task: str


@dataclass(frozen=True, slots=True)
class Measure:
    """The request `measure`: build, check and time one candidate, without comparing it to another kernel. Timing ends
    early if its first batches are all slower than `racing_above_s` seconds per call; `reveal_hidden` lets the verdict
    name hidden cases. The answer is a `verdict`, also if the candidate fails; `error` if the harness, the machine or
    the task is at fault.
    """

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
    """The request `reproduce`: run again one batch that an earlier verdict recorded, with the name of its case, its
    number of calls, and the key from which the same inputs are generated. The answer `reproduced` says whether the
    outputs are correct; nothing is scored.
    """

    id: str
    task: str
    candidate: Source
    case: str
    calls: int
    key: str


@dataclass(frozen=True, slots=True)
class DuelRequest:
    """The request `duel`: compare a candidate with `incumbent`, another kernel, or with the task's vendor line if
    `incumbent` is None; the two run in turn on the same inputs. The answer is `duel`, or a `verdict` on the kernel that
    does not build or pass. It is `error` if the vendor line is needed but the task has none.
    """

    id: str
    task: str
    candidate: Source
    incumbent: Source | None = None
    """The opponent; None = the vendor line."""


@dataclass(frozen=True, slots=True)
class Build:
    """The request `build`: build a GPU candidate into the cache of builds ahead of time, so that a later `measure`
    request finds it there and need not wait. No device is used. The answer is `built`, whether or not the build
    succeeded, or `error`.
    """

    id: str
    task: str
    candidate: Source


@dataclass(frozen=True, slots=True)
class Interval:
    """The lower and upper end of a 95 % confidence interval, in the unit of the value that it belongs to: microseconds
    for a time, a plain ratio for a speedup.
    """

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about a candidate's machine code, from compiler and disassembly: registers, spilled bytes, occupancy,
    warnings, instruction counts and more. None means not applicable or not readable. kernelsmith.core.verdict.Facts
    describes the same fields.
    """

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
    """One timed batch, a series of calls of a candidate on one case (a set of sizes and data of the task): the case's
    name, the number of calls, the time in microseconds per call, the key from which its inputs can be generated again,
    and the device's telemetry by name (such as `sm_clock_mhz`). Verdicts and `contend` requests hold batches.
    """

    case: str
    calls: int
    time_us: float
    """Microseconds per call."""
    key: str
    """Hexadecimal key from which the inputs of the batch can be drawn again."""
    telemetry: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measurement:
    """The score of a candidate that passed: `time_us`, microseconds per call, with its 95 % interval; the achieved
    `rate` and the device's `peak`, both in `unit`, and `utilization`, rate divided by peak; and `vendor_ratio`, the
    vendor library's time divided by `time_us`. kernelsmith.core.verdict.Measurement describes every field.
    """

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
    """The result of a duel, a comparison of two kernels that run in turn on the same inputs: `speedup`, the opponent's
    time divided by the candidate's time, with its 95 % interval, and `quads`, the number of groups of four turns
    (candidate and opponent in the order A B B A) that were run.
    """

    speedup: float
    interval: Interval
    quads: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judge's result for one candidate: status (`passed`, or the stage that failed), a detail in words,
    score, promotion, duel, machine-code facts, timed batches, and the seconds that each stage and guard took.
    kernelsmith.core.verdict.Verdict describes every field.
    """

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
    """The result of the vendor library (such as cuBLAS) on the task, with which candidates are compared: the library's
    name, its time in microseconds per call, and its `utilization`, the fraction of the device's peak that it reaches.
    Measured when the task is opened.
    """

    name: str
    time_us: float
    utilization: float


@dataclass(frozen=True, slots=True)
class Device:
    """The device on which a judge measures, and the constants measured when it opened the task: peak (in `unit`),
    spread of a kernel's time between processes (a fraction), dispatch overhead in microseconds, which is subtracted
    from each batch's time, and the vendor library's result. The `opened` answer holds it. kernelsmith.core.run.Device
    describes every field.
    """

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
    """The request `contend`: compare a candidate that passed `measure` with its opponent, and promote it to best kernel
    of the run if it is faster. The agent sends back the `measurement` and the `batches` of the main case that `measure`
    returned. The answer is a `verdict` without batches and facts, or `error`.
    """

    id: str
    task: str
    candidate: Source
    measurement: Measurement
    """Measurement that `measure` returned for the candidate."""
    batches: tuple[Batch, ...]
    """The candidate's batches of the main case."""
    opponent: Opponent | None = None
    """None if no candidate has passed before."""


Request = Open | Measure | Contend | Reproduce | DuelRequest | Build


class Answers:
    """Writes answers to the text stream `stream`, one JSON line each, and flushes it. Each method takes the `id` of the
    request that it answers. Methods raise OSError if the agent has closed the stream, ValueError if a number is NaN or
    infinite.

    No candidate's process inherits the stream's descriptor.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def progress(self, request_id: str, stage: str, step: str = "") -> None:
        """Write that a stage of the work on the request (such as `build`) begins or, if `step` is not empty, a step
        within a long stage (such as `case wide, 3 of 5`). It is not the final answer, for which the agent still waits.
        Raises OSError if the agent has closed the stream.
        """
        optional = {"step": hygiene.text(step, hygiene.MAX_NAME)} if step else {}
        self._write(request_id, "progress", {"stage": stage, **optional})

    def opened(self, request_id: str, device: Device) -> None:
        """Write the final answer to an `open` request: the device and the constants measured on it. Raises OSError if
        the agent has closed the stream, ValueError if a number is NaN or infinite.
        """
        self._write(request_id, "opened", {"device": asdict(device)})

    def verdict(self, request_id: str, verdict: Verdict) -> None:
        """Write a verdict on a candidate as the final answer, with the digest of the judged source beside it. Texts are
        shortened and cleaned of control characters. Raises OSError if the agent has closed the stream, ValueError if a
        number is NaN or infinite.
        """
        body = asdict(_fit(verdict))
        self._write(request_id, "verdict", {"source_digest": body.pop("source_digest"), "verdict": body})

    def duel(self, request_id: str, duel: Duel) -> None:
        """Write the final answer to a `duel` request in which both candidates passed: the result of the duel. Raises
        OSError if the agent has closed the stream, ValueError if a number is NaN or infinite.
        """
        self._write(request_id, "duel", {"duel": asdict(duel)})

    def reproduced(self, request_id: str, *, is_correct: bool, detail: str) -> None:
        """Write the final answer to a `reproduce` request: `is_correct` says whether all outputs of the repeated batch
        were correct, `detail` describes them in words. Raises OSError if the agent has closed the stream.
        """
        self._write(request_id, "reproduced", {"is_correct": is_correct, "detail": hygiene.text(detail)})

    def built(self, request_id: str) -> None:
        """Write the final answer to a `build` request: the build has ended, whether or not it succeeded. Raises OSError
        if the agent has closed the stream.
        """
        self._write(request_id, "built", {})

    def error(self, request_id: str, message: str, *, fault: Fault = Fault.HARNESS) -> None:
        """Write, as the final answer, that the request has no result: `message` is the reason in words, `fault` says
        whether the harness, the machine or the task is the cause. Such an answer says nothing about the quality of the
        candidate. Raises OSError if the agent has closed the stream.
        """
        self._write(request_id, "error", {"message": hygiene.text(message), "fault": fault})

    def _write(self, request_id: str, kind: str, body: dict[str, Any]) -> None:
        line = json.dumps({"v": VERSION, "id": request_id, "kind": kind, **body}, allow_nan=False)
        self._stream.write(line + "\n")
        self._stream.flush()


def _fit(verdict: Verdict) -> Verdict:
    """Return a copy of a verdict that is within the limits of an answer: its detail, notes and warnings have no control
    characters and at most 8,000 characters each, and there are at most 200 notes, 200 warnings and 200 counts of
    instructions.
    """
    facts, most_lines = verdict.facts, hygiene.MAX_LINES
    counts = list(facts.instructions.items())[:most_lines]
    facts = replace(
        facts,
        warnings=tuple(hygiene.text(warning) for warning in facts.warnings[:most_lines]),
        instructions={hygiene.text(kind, hygiene.MAX_NAME): count for kind, count in counts},
    )
    notes = tuple(hygiene.text(note) for note in verdict.notes[:most_lines])
    return replace(verdict, detail=hygiene.text(verdict.detail), facts=facts, notes=notes)
