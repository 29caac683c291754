"""How a request is read: one line, bounded, every key known and every value checked.

This module knows the form of a request, not what is done with it.
"""

import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, NoReturn

from harness.contract import KEY_DIGITS, WIRE
from harness.wire import text as hygiene
from harness.wire.messages import (
    VERSION,
    Batch,
    Build,
    Contend,
    DuelRequest,
    Interval,
    Measure,
    Measurement,
    Open,
    Opponent,
    OpponentRole,
    Reproduce,
    Request,
    Source,
)

MAX_LINE = 64 << 10
"""Bytes of a request: it holds a few paths."""
MAX_CALLS: int = WIRE["most_calls"]
"""Of one batch that is run again."""

MAX_BATCHES = 64
"""Batches of a case that a contention names; a case has at most half as many."""
MAX_NUMBER = 1e300

Reader = Callable[[Any], Any]


class RequestError(Exception):
    """A request that cannot be understood; answered with an `error`, never guessed at."""


def lines(stream: BinaryIO) -> Iterator[bytes]:
    """The requests, line by line; of a line that is longer than any request, its beginning only."""
    while line := stream.readline(MAX_LINE + 1):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_LINE)
        yield line


def parse(line: str | bytes) -> Request:
    """One request from one line.

    Raises:
        RequestError: not JSON, too long, another version, an unknown operation, a wrong key or value.
    """
    if len(line) > MAX_LINE:
        raise RequestError(f"request longer than {MAX_LINE:,} bytes")
    try:
        message = json.loads(
            line if isinstance(line, str) else line.decode(), parse_constant=_refuse, object_pairs_hook=_object
        )
    except (ValueError, RecursionError) as error:
        raise RequestError(f"request not understood: {hygiene.text(str(error))}") from error
    if not isinstance(message, dict):
        raise RequestError(f"request not understood: a JSON {type(message).__name__}, not an object")
    if (version := message.pop("v", None)) != VERSION or isinstance(version, bool):
        raise RequestError(f"request speaks version {hygiene.shown(version)}, this harness speaks {VERSION}")
    op = message.pop("op", None)
    if not isinstance(op, str) or op not in _OPERATIONS:
        raise RequestError(f"unknown op {hygiene.shown(op)}; known are {', '.join(_OPERATIONS)}")
    kind, readers = _OPERATIONS[op]
    return kind(**_read(message, readers, optional=("incumbent", "opponent", "racing_above_s", "reveal_hidden")))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


# --- values --------------------------------------------------------------------------------------------------------


def _read(message: Any, readers: Mapping[str, Reader], *, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """The values of an object that has exactly these keys; what is optional may be null, or left out."""
    if not isinstance(message, dict):
        raise RequestError(f"{hygiene.shown(message)} is no object with {', '.join(readers)}")
    if surplus := [key for key in message if key not in readers]:
        raise RequestError(f"unknown key {hygiene.shown(surplus[0])}; known are {', '.join(readers)}")
    if lacking := [key for key in readers if key not in message and key not in optional]:
        raise RequestError(f"key {lacking[0]} is missing")
    given = {key: value for key, value in message.items() if value is not None or key not in optional}
    return {key: _value(key, value, readers[key]) for key, value in given.items()}


def _value(key: str, value: Any, reader: Reader) -> Any:
    try:
        return reader(value)
    except (TypeError, ValueError) as error:
        raise RequestError(f"{key}: {hygiene.shown(value)} is no {error}") from error


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > 200:
        raise TypeError("word")
    return value


def _path(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value or not os.path.isabs(value):
        raise TypeError("absolute path")
    try:
        os.fsencode(value)
    except UnicodeEncodeError as error:
        raise ValueError("path that a file can have") from error
    return value


def _key(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(rf"[0-9a-f]{{{KEY_DIGITS}}}", value):
        raise TypeError(f"key of {KEY_DIGITS} hexadecimal digits")
    return value


def _calls(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_CALLS:
        raise TypeError(f"number of calls from 1 to {MAX_CALLS}")
    return value


def _time(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value < 1e15 or not math.isfinite(value):
        raise TypeError("time in microseconds")
    return float(value)


def _source(value: Any) -> Source:
    return Source(**_read(value, {"path": _path, "language": _text}))


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value < MAX_NUMBER:
        raise TypeError("positive number")
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("truth value")
    return value


def _role(value: Any) -> OpponentRole:
    if value not in list(OpponentRole):
        raise TypeError(f"role; known are {', '.join(OpponentRole)}")
    return OpponentRole(value)


def _opponent(value: Any) -> Opponent:
    return Opponent(**_read(value, {"role": _role, "source": _source, "time_us": _time, "fastest_us": _time}))


def _interval(value: Any) -> Interval:
    return Interval(**_read(value, {"low": _not_negative, "high": _time}))


def _not_negative(value: Any) -> float:
    return 0.0 if value == 0 and not isinstance(value, bool) else _time(value)


def _measurement(value: Any) -> Measurement:
    return Measurement(**_read(value, _MEASUREMENT, optional=_OPTIONAL_FIGURES))


def _batches(value: Any) -> tuple[Batch, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_BATCHES:
        raise TypeError(f"list of 1 to {MAX_BATCHES} batches")
    return tuple(
        Batch(**_read(batch, {"case": _text, "calls": _calls, "time_us": _time, "key": _key})) for batch in value
    )


_OPTIONAL_FIGURES = ("vendor_ratio", "single_us", "sustained_us", "utilization_at_clock")
_MEASUREMENT: dict[str, Reader] = {
    "time_us": _time, "interval_us": _interval, "utilization": _number, "rate": _number, "peak": _number, "unit": _text,
    "pilot_us": _time, "vendor_paired": _flag, **dict.fromkeys(_OPTIONAL_FIGURES, _number),
}  # fmt: skip
_BOTH: dict[str, Reader] = {"id": _text, "task": _path}
_CANDIDATE: dict[str, Reader] = {**_BOTH, "candidate": _source}
_OPERATIONS: dict[str, tuple[Callable[..., Request], dict[str, Reader]]] = {
    "open": (Open, _BOTH),
    "measure": (Measure, {**_CANDIDATE, "racing_above_s": _number, "reveal_hidden": _flag}),
    "contend": (
        Contend, {**_CANDIDATE, "measurement": _measurement, "batches": _batches, "opponent": _opponent},
    ),
    "reproduce": (Reproduce, {**_CANDIDATE, "case": _text, "calls": _calls, "key": _key}),
    "duel": (DuelRequest, {**_CANDIDATE, "incumbent": _source}),
    "build": (Build, _CANDIDATE),
}  # fmt: skip
