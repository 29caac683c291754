"""Read the harness's answers strictly, and write requests: the agent's half of the wire.

Unknown keys, missing keys, NaN, numbers out of bounds and another protocol version are refused, because an answer
decides a verdict. The fields of a verdict and their bounds are those of the dataclasses in core.
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
"""The protocol version that every request and answer carries."""


class Fault(StrEnum):
    """What caused an error answer: the harness, the machine, or a file of the task."""

    HARNESS = "harness"
    """The harness itself failed."""
    MACHINE = "machine"
    """The machine cannot judge any candidate now."""
    TASK = "task"
    """A file of the task folder is wrong."""


class _Answer(BaseModel):
    """The fields of every answer. pydantic applies the strictness to the dataclasses of core inside an answer, too."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    v: Annotated[int, Interval(ge=VERSION, le=VERSION)]
    id: Name


class ProgressAnswer(_Answer):
    """The answer that a stage has begun, or a step of a long stage."""

    kind: Literal["progress"]
    stage: Name
    step: Name = ""
    """The step, `case wide, 3 of 5`; empty, or left out on the wire, if the stage begins."""


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
    """The answer to `reproduce`: whether the outputs of one recorded batch were right, and a description."""

    kind: Literal["reproduced"]
    is_correct: bool
    detail: Text


class BuiltAnswer(_Answer):
    """The answer that a build ahead has ended, with or without success."""

    kind: Literal["built"]


class ErrorAnswer(_Answer):
    """The answer that a request has no result, with the reason and its cause."""

    kind: Literal["error"]
    message: Text
    fault: Fault


_AnyAnswer = Annotated[
    ProgressAnswer | _OpenedAnswer | _VerdictAnswer | _DuelAnswer | ReproducedAnswer | BuiltAnswer | ErrorAnswer,
    Field(discriminator="kind"),
]
_ANSWER: TypeAdapter[_AnyAnswer] = TypeAdapter(_AnyAnswer)
OPTIONAL = {"step"}
"""Keys that an answer may leave out; every other key must be present."""


@dataclass(frozen=True, slots=True)
class VerdictWithDigest:
    """A verdict, and the SHA-256 digest of the source bytes that the harness built."""

    verdict: Verdict
    source_digest: str


Answer = ProgressAnswer | Device | VerdictWithDigest | Duel | ReproducedAnswer | BuiltAnswer | ErrorAnswer


def read(line: str | bytes) -> tuple[str, Answer]:
    """Return the id of the request that a line answers, and the answer, with devices, verdicts and duels as in core.

    Raises:
        HarnessError: if the line is not a valid answer of this protocol version.
    """
    try:
        answer = _ANSWER.validate_json(line)
        _require_every_key(answer.model_dump(mode="json", exclude=OPTIONAL), json.loads(line))
    except ValueError as error:  # pydantic's ValidationError is one
        raise HarnessError(f"the harness sent an invalid answer: {_first_line(error)}") from error
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
    """Return one request as a line of JSON: `op` is the kind of request, and `body` holds its other fields."""
    return json.dumps({"v": VERSION, "id": request_id, "op": op, **body}, allow_nan=False) + "\n"


def _require_every_key(whole: Any, given: Any, place: str = "") -> None:
    """Raise ValueError if the JSON value `given` lacks a key of `whole`, the same answer with all fields filled in.

    pydantic would use the defaults of core's dataclasses, which are not meant for the wire. `place` is the path of both
    values within the answer, for the message.
    """
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
