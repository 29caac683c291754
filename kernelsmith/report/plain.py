"""Converts a report (dataclasses) into data for JSON: dicts, lists, strings, numbers, booleans and None.

The types of a dataclass's fields decide, once per class, which fields need a conversion. `dataclasses.asdict` copies
every value deeply instead, and takes about six times as long (docs/experiments.md, 2026-11-27).
"""

import collections.abc
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from kernelsmith.core.verdict import Measurement, Verdict
from kernelsmith.report.model_attempt import FLAT, JUDGED, known_facts

AS_IS = frozenset((str, int, float, bool, NoneType))
Converter = Callable[[Any], Any]


def plain(report: Any) -> Any:
    """Return a report (a dataclass, or a list of them) as JSON data: dataclasses and mappings as dicts, datetimes as
    ISO 8601 strings, enums as strings. Raises TypeError if the report holds a value of a type that has no JSON form.
    """
    kind: Any = type(report)
    return report if kind in AS_IS else _converter(kind)(report)


@cache
def _converter(kind: type) -> Converter:
    if is_dataclass(kind):
        return _object_converter(kind)
    for base, convert in _CONVERTERS:
        if issubclass(kind, base):
            return convert
    raise TypeError(f"{kind.__name__} has no JSON form")


def _mapping(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: each if type(each) in AS_IS else plain(each) for key, each in value.items()}


def _list(value: tuple[Any, ...] | list[Any]) -> list[Any]:
    return [each if type(each) in AS_IS else plain(each) for each in value]


_CONVERTERS: tuple[tuple[type, Converter], ...] = (
    (StrEnum, str),
    (datetime, datetime.isoformat),
    (Mapping, _mapping),
    (tuple, _list),
    (list, _list),
)


# --- dataclasses ---


def _object_converter(kind: type) -> Converter:
    """Return a function that takes an object of the dataclass `kind` and returns it as a dict of JSON data. If a
    field's type is marked FLAT, the entries of that field's object are put directly into the dict, without a key for
    the field itself.
    """
    hints = get_type_hints(kind, include_extras=True)
    flat = [name for name in hints if _is_marked(hints[name], FLAT)]
    judged = [name for name in hints if _is_marked(hints[name], JUDGED)]
    own = [each.name for each in fields(kind) if each.name not in (*flat, *judged)]
    converters = [(name, convert) for name in own if (convert := _converter_of_hint(hints[name]))]
    values_of, blank = _values_of(own), dict.fromkeys(_keys(kind))

    def convert_object(value: Any) -> dict[str, Any]:
        data: dict[str, Any] = blank.copy()
        data.update(zip(own, values_of(value), strict=True))
        for name, convert in converters:
            data[name] = convert(data[name])
        for name in flat:
            data.update(_flat(getattr(value, name)))
        for name in judged:
            data.update(_judged(getattr(value, name)))
        return data

    return convert_object


def _values_of(names: list[str]) -> Converter:
    """Return a function that takes an object and returns the values of its attributes `names`, in this order, as a
    sequence.
    """
    return attrgetter(*names) if len(names) > 1 else lambda value: [getattr(value, name) for name in names]


def _keys(kind: type) -> list[str]:
    """Return the keys that an object of the dataclass `kind` has in JSON, as a list in their order. A field marked FLAT
    contributes the keys of its object, not its own.
    """
    hints = get_type_hints(kind, include_extras=True)
    return [key for each in fields(kind) for key in _keys_of_field(each.name, hints[each.name])]


def _keys_of_field(name: str, hint: Any) -> list[str]:
    if _is_marked(hint, JUDGED):
        return [*_VERDICT_KEYS, "facts", *_keys(Measurement)]
    return _keys(_dataclass_in(hint)) if _is_marked(hint, FLAT) else [name]


_VERDICT_KEYS = [each.name for each in fields(Verdict) if each.name not in ("facts", "measurement", "batches")]


def _judged(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as a dict of JSON data: its fields, the known facts of the build, and the measurement's fields.
    The caller merges it into the dict of the attempt that was judged.
    """
    data = {name: plain(getattr(verdict, name)) for name in _VERDICT_KEYS}
    return data | {"facts": _mapping(known_facts(verdict.facts)), **_flat(verdict.measurement)}


def _flat(value: Any) -> dict[str, Any]:
    data: dict[str, Any] = {} if value is None else plain(value)
    if isinstance(value, Measurement):
        # An attempt's interval is [low, high] since the first release; a verdict's is an object.
        data["interval_us"] = [value.interval_us.low, value.interval_us.high]
    return data


# --- types of fields ---


def _is_marked(hint: Any, mark: str) -> bool:
    return get_origin(hint) is Annotated and mark in get_args(hint)


def _dataclass_in(hint: Any) -> Any:
    """Return the dataclass A that a field's type hint `Annotated[A, FLAT]` or `Annotated[A | None, FLAT]` names. Raises
    StopIteration for any other hint.
    """
    annotated = get_args(hint)[0]
    return next(each for each in (annotated, *get_args(annotated)) if is_dataclass(each))


def _converter_of_hint(hint: Any) -> Converter | None:
    """Return the cheapest function that converts the values of a field with the type hint `hint` into JSON data, or
    None if the values need no conversion. Deciding this once per class saves a check of every value.
    """
    origin, parts = get_origin(hint), [part for part in get_args(hint) if part is not Ellipsis]
    if _is_plain(hint):
        return None
    if origin is collections.abc.Mapping and _is_plain(parts[1]):
        return dict
    return list if origin is tuple and all(map(_is_plain, parts)) else plain


def _is_plain(hint: Any) -> bool:
    """Return True if every value of the type hint `hint` goes into JSON unchanged (texts, numbers, booleans and None),
    so that no conversion is needed.
    """
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _is_plain(parts[0])
    return all(map(_is_plain, parts)) if origin in (Union, UnionType) else hint in AS_IS
