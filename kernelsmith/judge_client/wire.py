"""The reader's half of the wire: strict, because what comes over it decides what is believed.

Unknown keys, NaN, negative times and another version are refused; what passes is converted to core types at once.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kernelsmith.core import caps
from kernelsmith.core import run as core_run
from kernelsmith.core import verdict as core
from kernelsmith.errors import HarnessError

VERSION = 1

Positive = Annotated[float, Field(gt=1e-15, lt=1e30)]
"""Of any figure: what is smaller or larger is no measurement, and its ratios would not be numbers."""
Fraction = Annotated[float, Field(ge=0, lt=1e30)]
Finite = Annotated[float, Field(gt=-1e30, lt=1e30)]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
"""As the attempt log can hold it."""
Text = Annotated[str, Field(max_length=caps.TEXT)]
Name = Annotated[str, Field(max_length=caps.NAME)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Interval(_Strict):
    low: Finite
    high: Finite

    def to_core(self) -> core.Interval:
        return core.Interval(self.low, self.high)


class _Facts(_Strict):
    registers: Count | None
    spill_bytes: Count | None
    stack_bytes: Count | None
    shared_bytes: Count | None
    occupancy: Fraction | None
    text_bytes: Count | None
    vector_bits: Count | None
    warnings: list[Text]
    instructions: dict[Name, Count]

    def to_core(self) -> core.Facts:
        return core.Facts(**{**dict(self), "warnings": tuple(self.warnings)})


class _Batch(_Strict):
    case: Name
    calls: Annotated[int, Field(gt=0, lt=1 << 63)]
    time_us: Positive
    key: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    telemetry: dict[Name, Finite]

    def to_core(self) -> core.Batch:
        return core.Batch(**dict(self))


class _Measurement(_Strict):
    time_us: Positive
    interval_us: _Interval
    utilization: Positive
    rate: Positive
    peak: Positive
    unit: Name
    pilot_us: Positive
    vendor_ratio: Positive | None
    vendor_paired: bool
    single_us: Positive | None
    sustained_us: Positive | None
    utilization_at_clock: Positive | None

    def to_core(self) -> core.Measurement:
        return core.Measurement(**{**dict(self), "interval_us": self.interval_us.to_core()})


class _Duel(_Strict):
    speedup: Positive
    interval: _Interval
    quads: Count

    def to_core(self) -> core.Duel:
        return core.Duel(self.speedup, self.interval.to_core(), self.quads)


class _Verdict(_Strict):
    status: Annotated[core.Status, Field(strict=False)]
    detail: Text
    source_digest: Name
    measurement: _Measurement | None
    promotion: Annotated[core.Promotion, Field(strict=False)] | None
    duel: _Duel | None
    facts: _Facts
    batches: list[_Batch]
    durations_s: dict[Name, Fraction]
    guards_s: dict[Name, Fraction]
    isolation: Annotated[int, Field(ge=0, le=3)] | None
    notes: list[Text]

    def to_core(self) -> core.Verdict:
        return core.Verdict(
            status=self.status,
            detail=self.detail,
            measurement=self.measurement.to_core() if self.measurement else None,
            promotion=self.promotion,
            duel=self.duel.to_core() if self.duel else None,
            facts=self.facts.to_core(),
            batches=tuple(batch.to_core() for batch in self.batches),
            durations_s=self.durations_s,
            guards_s=self.guards_s,
            isolation=self.isolation,
            notes=tuple(self.notes),
        )


class _VendorLine(_Strict):
    name: Name
    time_us: Positive
    utilization: Fraction


class _Device(_Strict):
    name: Name
    kind: Literal["cpu", "cuda"]
    peak: Positive
    unit: Name
    isolation: Annotated[int, Field(ge=0, le=3)]
    spread: Fraction
    overhead_us: Fraction
    worker_core: Count | None
    vendor: _VendorLine | None
    details: dict[Name, Text]

    def to_core(self) -> core_run.Device:
        vendor = self.vendor and core_run.VendorLine(**dict(self.vendor))
        return core_run.Device(**{**dict(self), "vendor": vendor})


class _Answer(_Strict):
    v: Literal[1]
    id: Name


class ProgressAnswer(_Answer):
    """A stage begins."""

    kind: Literal["progress"]
    stage: Name


class _OpenedAnswer(_Answer):
    kind: Literal["opened"]
    device: _Device


class _VerdictAnswer(_Answer):
    kind: Literal["verdict"]
    verdict: _Verdict


class _DuelAnswer(_Answer):
    kind: Literal["duel"]
    duel: _Duel


class ReproducedAnswer(_Answer):
    """One recorded batch was run again."""

    kind: Literal["reproduced"]
    is_correct: bool
    detail: Text


class BuiltAnswer(_Answer):
    """A build ahead of its judgement has ended, well or not."""

    kind: Literal["built"]


class ErrorAnswer(_Answer):
    """The harness failed."""

    kind: Literal["error"]
    message: Text
    of_machine: bool
    """The machine cannot judge now, whatever the candidate."""


_AnyAnswer = Annotated[
    ProgressAnswer | _OpenedAnswer | _VerdictAnswer | _DuelAnswer | ReproducedAnswer | BuiltAnswer | ErrorAnswer,
    Field(discriminator="kind"),
]
_ANSWER: TypeAdapter[_AnyAnswer] = TypeAdapter(_AnyAnswer)


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict and the digest of the bytes the harness built it from."""

    verdict: core.Verdict
    source_digest: Name


Answer = ProgressAnswer | core_run.Device | Judged | core.Duel | ReproducedAnswer | BuiltAnswer | ErrorAnswer


def read(line: str | bytes) -> tuple[str, Answer]:
    """One answer: the request's id, and what it says in core types.

    Raises:
        HarnessError: the line is not an answer of this version.
    """
    try:
        answer = _ANSWER.validate_json(line)
        match answer:
            case _OpenedAnswer():
                return answer.id, answer.device.to_core()
            case _VerdictAnswer():
                return answer.id, Judged(answer.verdict.to_core(), answer.verdict.source_digest)
            case _DuelAnswer():
                return answer.id, answer.duel.to_core()
            case ProgressAnswer() | ReproducedAnswer() | BuiltAnswer() | ErrorAnswer():
                return answer.id, answer
    except (ValidationError, ValueError) as error:
        raise HarnessError(f"the harness answered something else: {_first_line(error)}") from error


def request(request_id: str, op: str, **body: Any) -> str:
    """One request line."""
    return json.dumps({"v": VERSION, "id": request_id, "op": op, **body}, allow_nan=False) + "\n"


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{caps.cut(place, caps.QUOTED)}: {caps.cut(first['msg'], caps.NAME)}"
    return caps.cut(str(error), caps.NAME)
