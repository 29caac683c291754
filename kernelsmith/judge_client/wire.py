"""Write the agent's requests to the judge (a process of the harness), and read its answers strictly.

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
    """Cause of an `error` answer of the judge: the harness itself, the machine, or a file of the
    task folder. It decides which exception the agent raises.
    """

    HARNESS = "harness"
    """The harness itself failed."""
    MACHINE = "machine"
    """The machine cannot judge any candidate now."""
    TASK = "task"
    """A file of the task folder is wrong."""


class _Answer(BaseModel):
    """The base class of all answers of the judge. `v` is the protocol version, and `id` repeats the id of the request
    that is answered. Unknown keys and wrong types are refused, also inside the dataclasses of core that an answer
    holds.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    v: Annotated[int, Interval(ge=VERSION, le=VERSION)]
    id: Name


class ProgressAnswer(_Answer):
    """An answer of the judge that is not final: a stage of its work (`build`) begins, or a step of a long stage (`case
    wide, 3 of 5`).
    """

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
    """The final answer to a `reproduce` request, which repeats one recorded batch: whether its outputs were right
    (`is_correct`), and a description in words (`detail`).
    """

    kind: Literal["reproduced"]
    is_correct: bool
    detail: Text


class BuiltAnswer(_Answer):
    """The final answer to a `build` request, which builds a candidate before it is judged. The build has ended; the
    answer does not say whether it succeeded.
    """

    kind: Literal["built"]


class ErrorAnswer(_Answer):
    """The final answer to a request that has no result: the reason in words (`message`) and the cause (`fault`). It
    says nothing about the candidate.
    """

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
    """A verdict on a candidate, and the SHA-256 digest (hex) of the source bytes that the harness judged. The agent
    compares it with the digest of the candidate that it sent.
    """

    verdict: Verdict
    source_digest: str


Answer = ProgressAnswer | Device | VerdictWithDigest | Duel | ReproducedAnswer | BuiltAnswer | ErrorAnswer


def read(line: str | bytes) -> tuple[str, Answer]:
    """Return a pair from `line`, one line of JSON that the judge sent: the id of the request that it answers, and the
    answer, in which a device, verdict or duel is an object of core. Raises HarnessError if the line is not JSON, has a
    missing, unknown or wrong key, or another protocol version.
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
    """Return a request as one line of JSON with a newline. `request_id` is repeated in every answer, `op` is the kind
    of request (such as `measure`), `body` holds its other fields. Raises ValueError if a number is NaN or infinite.
    """
    return json.dumps({"v": VERSION, "id": request_id, "op": op, **body}, allow_nan=False) + "\n"


def _require_every_key(whole: Any, given: Any, place: str = "") -> None:
    """Return nothing if the JSON value `given`, an answer as the judge sent it, holds every key of `whole`, the same
    answer with all optional fields filled in; else raise ValueError. `place` is the path of both values within the
    answer, such as `verdict.`, for the message.

    pydantic would use the defaults of core's dataclasses, which are not meant for the wire.
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
