"""The reader's half of the wire: strict, because what comes over it decides what is believed.

Unknown keys, NaN, negative times and another version are refused; what passes is converted to core types at once.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kernelsmith.core import run as core_run
from kernelsmith.core import verdict as core
from kernelsmith.errors import HarnessError

VERSION = 1

Microseconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Text = Annotated[str, Field(max_length=20_000)]


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
    instructions: dict[str, Count]

    def to_core(self) -> core.Facts:
        return core.Facts(**{**dict(self), "warnings": tuple(self.warnings)})


class _Batch(_Strict):
    case: str
    calls: Annotated[int, Field(gt=0)]
    time_us: Microseconds
    key: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    telemetry: dict[str, Finite]

    def to_core(self) -> core.Batch:
        return core.Batch(**dict(self))


class _Measurement(_Strict):
    time_us: Microseconds
    interval_us: _Interval
    utilization: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    peak: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    unit: str
    pilot_us: Microseconds
    vendor_ratio: Microseconds | None
    vendor_paired: bool
    single_us: Microseconds | None
    sustained_us: Microseconds | None
    utilization_at_clock: Microseconds | None

    def to_core(self) -> core.Measurement:
        return core.Measurement(**{**dict(self), "interval_us": self.interval_us.to_core()})


class _Duel(_Strict):
    speedup: Microseconds
    interval: _Interval
    quads: Count

    def to_core(self) -> core.Duel:
        return core.Duel(self.speedup, self.interval.to_core(), self.quads)


class _Verdict(_Strict):
    status: Annotated[core.Status, Field(strict=False)]
    detail: Text
    source_digest: str
    measurement: _Measurement | None
    promotion: Annotated[core.Promotion, Field(strict=False)] | None
    duel: _Duel | None
    facts: _Facts
    batches: list[_Batch]
    durations_s: dict[str, Fraction]
    guards_s: dict[str, Fraction]
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
    name: str
    time_us: Microseconds
    utilization: Fraction


class _Device(_Strict):
    name: str
    kind: Literal["cpu", "cuda"]
    peak: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    unit: str
    isolation: Annotated[int, Field(ge=0, le=3)]
    spread: Fraction
    overhead_us: Fraction
    worker_core: Count | None
    vendor: _VendorLine | None
    details: dict[str, str]

    def to_core(self) -> core_run.Device:
        vendor = self.vendor and core_run.VendorLine(**dict(self.vendor))
        return core_run.Device(**{**dict(self), "vendor": vendor})


class _Answer(_Strict):
    v: Literal[1]
    id: str


class ProgressAnswer(_Answer):
    """A stage begins."""

    kind: Literal["progress"]
    stage: str


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


_AnyAnswer = Annotated[
    ProgressAnswer | _OpenedAnswer | _VerdictAnswer | _DuelAnswer | ReproducedAnswer | BuiltAnswer | ErrorAnswer,
    Field(discriminator="kind"),
]
_ANSWER: TypeAdapter[_AnyAnswer] = TypeAdapter(_AnyAnswer)


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict and the digest of the bytes the harness built it from."""

    verdict: core.Verdict
    source_digest: str


Answer = ProgressAnswer | core_run.Device | Judged | core.Duel | ReproducedAnswer | BuiltAnswer | ErrorAnswer


def read(line: str) -> tuple[str, Answer]:
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
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error)
