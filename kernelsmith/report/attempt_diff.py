"""Two attempts side by side: parameters, facts, measurement, source; as plain data, and as a page of text."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kernelsmith.core import caps
from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History
from kernelsmith.core.verdict import Measurement
from kernelsmith.report import figures
from kernelsmith.report.attempt_page import attempt_data, facts_data
from kernelsmith.report.text import columns, one_line, printable

Pair = tuple[Any, Any]


@dataclass(frozen=True, slots=True)
class Side:
    """One attempt with the run it stands in."""

    history: History
    attempt: Attempt

    @property
    def name(self) -> str:
        """`night:7`."""
        return f"{self.history.run.name}:{self.attempt.number}"

    @property
    def source(self) -> str:
        """The kernel's text, empty where the attempt has no candidate."""
        return self.attempt.proposal.candidate.source if self.attempt.proposal.candidate else ""

    @property
    def measurement(self) -> Measurement | None:
        """Its figures, if it passed."""
        return self.attempt.verdict.measurement


def attempts_data(a: Side, b: Side) -> dict[str, Any]:
    """Both attempts, what differs in parameters and facts, the speed of b over a, and the unified diff."""
    return {
        "a": {"run": a.history.run.name, **attempt_data(a.attempt)},
        "b": {"run": b.history.run.name, **attempt_data(b.attempt)},
        "parameters": differing(_params(a), _params(b)),
        "facts": differing(_facts(a), _facts(b)),
        "measurement": _compared(a.measurement, b.measurement),
        "source": source_diff(a, b),
    }


def attempts_page(a: Side, b: Side) -> str:
    """The comparison for a reader: figures, what differs, then the source as a unified diff."""
    rows = [("", a.name, b.name), *_outcome(a, b)]
    changed = [*differing(_params(a), _params(b)).items(), *differing(_facts(a), _facts(b)).items()]
    rows += [(one_line(name, caps.QUOTED), _cell(x), _cell(y)) for name, (x, y) in changed]
    parts = [columns(rows), _sentence(a, b), printable("\n".join(source_diff(a, b))) or _alike(a, b)]
    return "\n\n".join(parts)


def differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Pair]:
    """The keys whose values differ, each with both; a missing one is None."""
    keys = [*a, *(key for key in b if key not in a)]
    return {key: (a.get(key), b.get(key)) for key in keys if a.get(key) != b.get(key)}


def source_diff(a: Side, b: Side) -> list[str]:
    """The lines of a unified diff; none where the sources are identical."""
    return list(difflib.unified_diff(a.source.splitlines(), b.source.splitlines(), a.name, b.name, lineterm=""))


def _alike(a: Side, b: Side) -> str:
    """What is said where no line differs."""
    return "the sources are identical" if a.source == b.source else "the sources differ in the ends of lines only"


def speed_of(b: Measurement, *, over: Measurement) -> str:
    """`b` in terms of `over`, and whether the intervals tell them apart."""
    ratio = over.time_us / b.time_us
    apart = "the 95 % intervals do not overlap" if _apart(b, over) else "the 95 % intervals overlap"
    return f"{ratio:.2f}x the speed; {apart}"


def _outcome(a: Side, b: Side) -> list[tuple[str, str, str]]:
    rows = [
        ("status", a.attempt.verdict.status, b.attempt.verdict.status),
        ("stance", a.attempt.stance, b.attempt.stance),
        ("of peak", figures.percent(a.attempt.verdict.utilization), figures.percent(b.attempt.verdict.utilization)),
        ("vendor", _vendor(a), _vendor(b)),
        ("time", _time(a), _time(b)),
    ]
    return [row for row in rows if row[1] or row[2]]


def _vendor(side: Side) -> str:
    return figures.of_vendor(side.measurement, side.history.device_of(side.attempt)) if side.measurement else ""


def _time(side: Side) -> str:
    return figures.interval(side.measurement) if side.measurement else ""


def _sentence(a: Side, b: Side) -> str:
    if not (a.measurement and b.measurement):
        failed = a if a.measurement is None else b
        return f"{failed.name} is {failed.attempt.verdict.status}: {one_line(failed.attempt.verdict.detail)}"
    words = f"{b.name} against {a.name}: {speed_of(b.measurement, over=a.measurement)}"
    if a.measurement.peak != b.measurement.peak:
        peaks = " and ".join(figures.rate(m.peak, m.unit) for m in (a.measurement, b.measurement))
        words += f"; measured against different peaks, {peaks}"
    return f"{words}\nsettle it here: kernelsmith duel {a.history.run.config.task} {a.name} {b.name}"


def _compared(a: Measurement | None, b: Measurement | None) -> dict[str, Any] | None:
    if a is None or b is None:
        return None
    return {"speedup": a.time_us / b.time_us, "intervals_overlap": not _apart(a, b), "peaks": [a.peak, b.peak]}


def _apart(a: Measurement, b: Measurement) -> bool:
    return a.interval_us.high < b.interval_us.low or b.interval_us.high < a.interval_us.low


def _params(side: Side) -> Mapping[str, Any]:
    return side.attempt.proposal.candidate.params if side.attempt.proposal.candidate else {}


def _facts(side: Side) -> Mapping[str, Any]:
    """Facts by name, an instruction class counting as one fact."""
    data = facts_data(side.attempt.verdict.facts)
    counts = data.pop("instructions", {})
    return data | {f"{kind} instructions": count for kind, count in counts.items()}


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return one_line(" | ".join(map(str, value)) if isinstance(value, tuple | list) else str(value))
