"""Turn the figures of a verdict that have no column of their own into metrics: rows of a name, a value and a unit.

Names are made from the names of fields, so that a new figure needs neither a new column nor a change in this module.
`facts.registers` is a field of Facts, `facts.instructions.fma` an entry of one of its tables, `durations_s.build` an
entry of a table of Verdict, `measurement.pilot_us` a field of Measurement that has no column.
"""

import statistics
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from kernelsmith.core.verdict import Batch, Verdict
from kernelsmith.log.metric_groups import VERDICT_TABLES

UNITS = {"us": "us", "s": "s", "bytes": "B", "bits": "bit", "w": "W", "mhz": "MHz", "c": "°C"}
"""Unit by the suffix of a field's name. A figure without a known suffix is a count or a fraction: unit `1`."""
TELEMETRY = "telemetry"


class Metric(NamedTuple):
    """One figure of an attempt, a row of the table of metrics: name (`facts.registers`), value, and the unit of the
    value (`1` for a count or a fraction).
    """

    name: str
    value: float
    unit: str


def metrics_of(verdict: Verdict, *, columns: Container[str]) -> Iterator[Metric]:
    """Yield a Metric (name, value, unit) for each figure of `verdict` that has no column of its own: build facts, parts
    of the score, seconds by stage and by guard, and the median over all batches of each reading of the GPU. `columns`
    holds the column names of the table of attempts; figures with these names are left out.
    """
    yield from _numbers("facts", verdict.facts)
    if verdict.measurement:
        yield from _numbers("measurement", verdict.measurement, excluded=columns)
    for name in VERDICT_TABLES:
        yield from _entries(name, getattr(verdict, name))
    yield from _entries(TELEMETRY, _medians(verdict.batches))


def _numbers(prefix: str, holder: Any, *, excluded: Container[str] = ()) -> Iterator[Metric]:
    for name in (f.name for f in fields(holder) if f.name not in excluded):
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
