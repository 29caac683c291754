"""The metrics of an attempt as the log holds them, by where they belong in a verdict. metrics.py writes them.

The names follow from the domain's fields: see metrics.py.
"""

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple, get_origin, get_type_hints

from kernelsmith.core.verdict import Facts, Measurement, Verdict

VERDICT_TABLES = tuple(name for name, kind in get_type_hints(Verdict).items() if get_origin(kind) is Mapping)
"""The fields of Verdict that are tables of seconds."""
_FACTS = get_type_hints(Facts)
_MEASURED = get_type_hints(Measurement)
_FACT_TABLES = tuple(name for name, kind in _FACTS.items() if get_origin(kind) is Mapping)
"""The fields of Facts that are tables of counts."""


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
        return {name: self._groups[name] for name in VERDICT_TABLES}


class _Place(NamedTuple):
    group: str
    """`facts`, `facts.instructions`, `measurement`, or a field of Verdict; empty where the name is not known."""
    key: str
    is_count: bool = False


@cache
def _place(name: str) -> _Place:
    """Return where a metric of this name belongs."""
    head, _, rest = name.partition(".")
    if head in VERDICT_TABLES:
        return _Place(head, rest)
    field, _, key = rest.partition(".")
    if head == "facts" and field in _FACT_TABLES:
        return _Place(f"facts.{field}", key, is_count=True)
    known = {"facts": _FACTS, "measurement": _MEASURED}.get(head, {})
    return _Place(head, field, is_count=known[field] == int | None) if field in known else _Place("", name)
