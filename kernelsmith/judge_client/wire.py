"""The reader's half of the wire: strict, because what comes over it decides what is believed.

Unknown keys, missing keys, NaN, figures out of bounds and another version are refused. The fields and their bounds are
those of core's own dataclasses: no field is declared here a second time.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from annotated_types import Interval
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kernelsmith.core import caps, contract
from kernelsmith.core.bounds import Name, Text
from kernelsmith.core.run import Device
from kernelsmith.core.verdict import Duel, Verdict
from kernelsmith.errors import HarnessError

VERSION = contract.protocol_version()


class Fault(StrEnum):
    """Where the cause of an error of the harness lies."""

    HARNESS = "harness"
    MACHINE = "machine"
    """The machine cannot judge now, whatever the candidate."""
    TASK = "task"
    """A file of the task folder is wrong."""


class _Answer(BaseModel):
    """What every answer carries. Its strictness holds for core's dataclasses inside it, too."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    v: Annotated[int, Interval(ge=VERSION, le=VERSION)]
    id: Name


class ProgressAnswer(_Answer):
    """A stage begins, or a step of a long one."""

    kind: Literal["progress"]
    stage: Name
    step: Name = ""
    """`case wide, 3 of 5`; left out where a stage begins."""


class _OpenedAnswer(_Answer):
    kind: Literal["opened"]
    device: Device


class _VerdictAnswer(_Answer):
    kind: Literal["verdict"]
    source_digest: Name
    verdict: Verdict


class _DuelAnswer(_Answer):
    kind: Literal["duel"]
    duel: Duel


class ReproducedAnswer(_Answer):
    """One recorded batch was run again."""

    kind: Literal["reproduced"]
    is_correct: bool
    detail: Text


class BuiltAnswer(_Answer):
    """A build ahead of its judgement has ended, well or not."""

    kind: Literal["built"]


class ErrorAnswer(_Answer):
    """The request has no result."""

    kind: Literal["error"]
    message: Text
    fault: Fault


_AnyAnswer = Annotated[
    ProgressAnswer | _OpenedAnswer | _VerdictAnswer | _DuelAnswer | ReproducedAnswer | BuiltAnswer | ErrorAnswer,
    Field(discriminator="kind"),
]
_ANSWER: TypeAdapter[_AnyAnswer] = TypeAdapter(_AnyAnswer)
OPTIONAL = {"step"}
"""Keys that an answer may leave out."""


@dataclass(frozen=True, slots=True)
class VerdictWithDigest:
    """A verdict and the digest of the bytes the harness built it from."""

    verdict: Verdict
    source_digest: str


Answer = ProgressAnswer | Device | VerdictWithDigest | Duel | ReproducedAnswer | BuiltAnswer | ErrorAnswer


def read(line: str | bytes) -> tuple[str, Answer]:
    """Return the id of the request that a line answers, and the answer in core types.

    Raises:
        HarnessError: the line is not an answer of this version.
    """
    try:
        answer = _ANSWER.validate_json(line)
        _require_every_key(answer.model_dump(mode="json", exclude=OPTIONAL), json.loads(line))
    except ValueError as error:  # pydantic's ValidationError is one
        raise HarnessError(f"the harness answered something else: {_first_line(error)}") from error
    match answer:
        case _OpenedAnswer():
            return answer.id, answer.device
        case _VerdictAnswer():
            return answer.id, VerdictWithDigest(answer.verdict, answer.source_digest)
        case _DuelAnswer():
            return answer.id, answer.duel
        case ProgressAnswer() | ReproducedAnswer() | BuiltAnswer() | ErrorAnswer():
            return answer.id, answer


def request(request_id: str, op: str, **body: Any) -> str:
    """Return one request line."""
    return json.dumps({"v": VERSION, "id": request_id, "op": op, **body}, allow_nan=False) + "\n"


def _require_every_key(whole: Any, given: Any, place: str = "") -> None:
    """Refuse an answer that leaves out a field: core's defaults are for makers of verdicts, not for the wire."""
    if isinstance(whole, dict):
        for key, value in whole.items():
            if key not in given:
                raise ValueError(f"{place}{key}: is missing")
            _require_every_key(value, given[key], f"{place}{key}.")
    elif isinstance(whole, list):
        for index, (value, other) in enumerate(zip(whole, given, strict=True)):
            _require_every_key(value, other, f"{place}{index}.")


def _first_line(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{caps.cut(place, caps.QUOTED)}: {caps.cut(first['msg'], caps.NAME)}"
    return caps.cut(str(error), caps.NAME)
