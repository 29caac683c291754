"""Reads requests, one JSON line each, from the agent (the program that searches for kernels). The length of a line is
limited, an unknown key is refused, and every value is checked.

This module knows the form of a request; it does not know how the judge answers it.
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
"""Length of the longest accepted request in bytes; a request holds a few paths and figures."""
MAX_CALLS: int = WIRE["most_calls"]
"""Number of calls of a recorded batch that a request may name."""

MAX_BATCHES = 64
"""Number of batches that a `contend` request may list; a case has at most half as many."""
MAX_NUMBER = 1e300

Reader = Callable[[Any], Any]
"""Converts a JSON value to a typed one. Raises TypeError or ValueError, whose message says what was expected."""


class RequestError(Exception):
    """Raised when a line is not a valid request. The message says which key or value is wrong; the judge sends it back
    in an `error` answer and then reads the next line.
    """


def lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of the binary stream `stream` as bytes with their line ends, until the stream ends. A line longer
    than 64 KiB is cut one byte after that limit, so that `parse` refuses it, and the rest of it is skipped.
    """
    while line := stream.readline(MAX_LINE + 1):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_LINE)
        yield line


def parse(line: str | bytes) -> Request:
    """Return the request that a line of JSON holds, as an object such as `Measure`. Raises RequestError, whose message
    says what is wrong, if the line is too long or not JSON, the protocol version or operation is unknown, or a key or
    value is missing or wrong.
    """
    if len(line) > MAX_LINE:
        raise RequestError(f"the request is longer than {MAX_LINE:,} bytes")
    try:
        message = json.loads(
            line if isinstance(line, str) else line.decode(), parse_constant=_refuse, object_pairs_hook=_object
        )
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the request is not valid JSON: {hygiene.text(str(error))}") from error
    if not isinstance(message, dict):
        raise RequestError(f"the request is a JSON {type(message).__name__}, not an object")
    if (version := message.pop("v", None)) != VERSION or isinstance(version, bool):
        raise RequestError(f"the request has version {hygiene.shown(version)}; this harness reads version {VERSION}")
    op = message.pop("op", None)
    if not isinstance(op, str) or op not in _OPERATIONS:
        raise RequestError(f"unknown op {hygiene.shown(op)}; known ops: {', '.join(_OPERATIONS)}")
    kind, readers = _OPERATIONS[op]
    return kind(**_read(message, readers, optional=("incumbent", "opponent", "racing_above_s", "reveal_hidden")))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    message = dict(pairs)
    if len(message) < len(pairs):
        raise ValueError("an object has the same key twice")
    return message


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not allowed in JSON")


# --- values --------------------------------------------------------------------------------------------------------


def _read(message: Any, readers: Mapping[str, Reader], *, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a dict of the converted values of `message`, a parsed JSON object. `readers` maps each allowed key to a
    function that takes the key's value and returns it converted; keys in `optional` may be missing or null and are then
    left out. Raises RequestError if `message` is no object, a key is missing or unknown, or a value is invalid.
    """
    if not isinstance(message, dict):
        raise RequestError(f"{hygiene.shown(message)} is not an object with the keys {', '.join(readers)}")
    if unknown := [key for key in message if key not in readers]:
        raise RequestError(f"unknown key {hygiene.shown(unknown[0])}; known keys: {', '.join(readers)}")
    if missing := [key for key in readers if key not in message and key not in optional]:
        raise RequestError(f"key {missing[0]} is missing")
    present = {key: value for key, value in message.items() if value is not None or key not in optional}
    return {key: _value(key, value, readers[key]) for key, value in present.items()}


def _value(key: str, value: Any, reader: Reader) -> Any:
    try:
        return reader(value)
    except (TypeError, ValueError) as error:
        raise RequestError(f"{key}: {hygiene.shown(value)} is not {error}") from error


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > 200:
        raise TypeError("a printable text of at most 200 characters")
    return value


def _path(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value or not os.path.isabs(value):
        raise TypeError("an absolute path")
    try:
        os.fsencode(value)
    except UnicodeEncodeError as error:
        raise ValueError("a valid path on this system") from error
    return value


def _key(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(rf"[0-9a-f]{{{KEY_DIGITS}}}", value):
        raise TypeError(f"a key of {KEY_DIGITS} hexadecimal digits")
    return value


def _calls(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_CALLS:
        raise TypeError(f"a number of calls from 1 to {MAX_CALLS}")
    return value


def _time(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value < 1e15 or not math.isfinite(value):
        raise TypeError("a positive time in microseconds")
    return float(value)


def _source(value: Any) -> Source:
    return Source(**_read(value, {"path": _path, "language": _text}))


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value < MAX_NUMBER:
        raise TypeError("a positive number")
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false")
    return value


def _role(value: Any) -> OpponentRole:
    if value not in list(OpponentRole):
        raise TypeError(f"one of the roles {', '.join(OpponentRole)}")
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
        raise TypeError(f"a list of 1 to {MAX_BATCHES} batches")
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
