"""Group the stored metrics of an attempt by the part of the verdict to which each one belongs.

metrics.py makes the metrics of a verdict and describes their names.
"""

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple, get_origin, get_type_hints

from kernelsmith.core.verdict import Facts, Measurement, Verdict

VERDICT_TABLES = tuple(name for name, kind in get_type_hints(Verdict).items() if get_origin(kind) is Mapping)
"""Names of the fields of Verdict that map a name to seconds."""
_FACTS = get_type_hints(Facts)
_MEASURED = get_type_hints(Measurement)
_FACT_TABLES = tuple(name for name, kind in _FACTS.items() if get_origin(kind) is Mapping)
"""Names of the fields of Facts that map a name to a count."""


class MetricGroups:
    """The metrics (named numbers) of one attempt, read from the log and grouped by the class whose fields they are:
    Facts, Measurement or Verdict. Its properties give them as arguments with which these objects are made again.
    """

    __slots__ = ("_groups",)

    def __init__(self) -> None:
        self._groups: defaultdict[str, dict[str, float]] = defaultdict(dict)

    def add(self, name: str, value: float) -> None:
        """Add a metric of the attempt: `name` is its name in the log, such as `facts.registers`. A name that this
        program does not know is ignored.
        """
        group, key, is_count = _place(name)
        self._groups[group][key] = int(value) if is_count else value

    @property
    def facts(self) -> dict[str, Any]:
        """Return the arguments for a new Facts (what the harness read from the machine code) as a dict by field name.
        Fields without a stored metric are missing, except fields that are mappings, such as `instructions`: they hold
        counts by name, or are empty.
        """
        tables = {name: self._groups[f"facts.{name}"] for name in _FACT_TABLES}
        return {**self._groups["facts"], **tables}

    @property
    def measured(self) -> dict[str, float]:
        """Return those arguments for a new Measurement (the speed of a candidate) that the log stores as metrics, as a
        dict by field name; empty if there are none. The caller takes the other arguments from columns of the table of
        attempts.
        """
        return self._groups["measurement"]

    @property
    def tables(self) -> dict[str, dict[str, float]]:
        """Return the two arguments for a new Verdict that map names to seconds, as a dict by field name: `durations_s`
        (seconds of each stage of judging) and `guards_s` (seconds of each protection against cheating). Each is empty
        if the log holds no such metric.
        """
        return {name: self._groups[name] for name in VERDICT_TABLES}


class _Place(NamedTuple):
    group: str
    """`facts`, `facts.instructions`, `measurement`, or a field of Verdict; empty if the name is not known."""
    key: str
    is_count: bool = False


@cache
def _place(name: str) -> _Place:
    """Return where a metric with the stored `name` belongs: the group (a class or one of its mappings), the key within
    the group, and whether its value is a count. The group is empty if this program does not know the name; no error is
    raised.
    """
    head, _, rest = name.partition(".")
    if head in VERDICT_TABLES:
        return _Place(head, rest)
    field, _, key = rest.partition(".")
    if head == "facts" and field in _FACT_TABLES:
        return _Place(f"facts.{field}", key, is_count=True)
    known = {"facts": _FACTS, "measurement": _MEASURED}.get(head, {})
    return _Place(head, field, is_count=known[field] == int | None) if field in known else _Place("", name)
