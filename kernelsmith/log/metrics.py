"""A verdict's figures that no table ranks by, as metrics: a name, a value and a unit, one row each, and back.

The names follow from the domain's fields, so that a new figure needs neither a column nor a line here.
`facts.registers` is a field of Facts, `facts.instructions.fma` an entry of one of its tables, `durations_s.build` an
entry of a table of Verdict, `measurement.pilot_us` a field of Measurement that has no column.
"""

import statistics
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, NamedTuple, get_origin, get_type_hints

from kernelsmith.core.verdict import Batch, Facts, Measurement, Verdict

UNITS = {"us": "us", "s": "s", "bytes": "B", "bits": "bit", "w": "W", "mhz": "MHz", "c": "°C"}
"""By the suffix of a field's name; a figure without one is a count or a fraction."""
TELEMETRY = "telemetry"
_FACTS = get_type_hints(Facts)
_MEASURED = get_type_hints(Measurement)
_FACT_TABLES = tuple(name for name, kind in _FACTS.items() if get_origin(kind) is Mapping)
"""The fields of Facts that are tables of counts."""
_TABLES = tuple(name for name, kind in get_type_hints(Verdict).items() if get_origin(kind) is Mapping)
"""The fields of Verdict that are tables of seconds."""


class Metric(NamedTuple):
    """One figure of an attempt."""

    name: str
    value: float
    unit: str


def metrics_of(verdict: Verdict, *, columns: Container[str]) -> Iterator[Metric]:
    """Return every figure of a verdict that has no column, and the medians of its batches' telemetry.

    `columns` are the columns of an attempt's row.
    """
    yield from _numbers("facts", verdict.facts)
    if verdict.measurement:
        yield from _numbers("measurement", verdict.measurement, but=columns)
    for name in _TABLES:
        yield from _entries(name, getattr(verdict, name))
    yield from _entries(TELEMETRY, _medians(verdict.batches))


class MetricGroups:
    """The metrics of one attempt by where they belong."""

    __slots__ = ("_groups",)

    def __init__(self) -> None:
        self._groups: defaultdict[str, dict[str, float]] = defaultdict(dict)

    def add(self, name: str, value: float) -> None:
        """Put one metric in its place; a name that this program does not know is passed over."""
        group, key, is_count = _place(name)
        self._groups[group][key] = int(value) if is_count else value

    @property
    def facts(self) -> dict[str, Any]:
        """Fields of Facts."""
        tables = {name: self._groups[f"facts.{name}"] for name in _FACT_TABLES}
        return {**self._groups["facts"], **tables}

    @property
    def measured(self) -> dict[str, float]:
        """Fields of Measurement that have no column."""
        return self._groups["measurement"]

    @property
    def tables(self) -> dict[str, dict[str, float]]:
        """Tables of Verdict, seconds, by field."""
        return {name: self._groups[name] for name in _TABLES}


class _Place(NamedTuple):
    group: str
    """`facts`, `facts.instructions`, `measurement`, or a field of Verdict; empty where the name is not known."""
    key: str
    is_count: bool = False


@cache
def _place(name: str) -> _Place:
    """Return where a metric of this name belongs."""
    head, _, rest = name.partition(".")
    if head in _TABLES:
        return _Place(head, rest)
    field, _, key = rest.partition(".")
    if head == "facts" and field in _FACT_TABLES:
        return _Place(f"facts.{field}", key, is_count=True)
    known = {"facts": _FACTS, "measurement": _MEASURED}.get(head, {})
    return _Place(head, field, is_count=known[field] == int | None) if field in known else _Place("", name)


def _numbers(prefix: str, holder: Any, *, but: Container[str] = ()) -> Iterator[Metric]:
    for name in (f.name for f in fields(holder) if f.name not in but):
        value = getattr(holder, name)
        if isinstance(value, Mapping):
            yield from _entries(f"{prefix}.{name}", value)
        elif isinstance(value, int | float):
            yield Metric(f"{prefix}.{name}", value, _unit(name))


def _entries(name: str, entries: Mapping[str, float]) -> Iterator[Metric]:
    for key, value in entries.items():
        unit = _unit(key) if name == TELEMETRY else _unit(name.rpartition(".")[2])
        yield Metric(f"{name}.{key}", value, unit)


def _unit(name: str) -> str:
    return UNITS.get(name.rpartition("_")[2], "1") if "_" in name else "1"


def _medians(batches: Sequence[Batch]) -> dict[str, float]:
    names = dict.fromkeys(name for batch in batches for name in batch.telemetry)
    return {name: statistics.median(b.telemetry[name] for b in batches if name in b.telemetry) for name in names}
