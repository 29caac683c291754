"""A script: what a scripted device does with each candidate, as Python values or as a TOML file.

peak = 1.0e12            # units per second
jitter = 0.002           # standard deviation of a batch's time, a fraction of it

[vendor]                 # optional: the vendor line
call_s = 2.0e-3          # seconds per call

[[candidates]]           # the first whose `match` is found in the source says what the candidate does
match = "abort"
call_s = 4.0e-3
events = [{ worker = 0, batch = 2, died = "killed by SIGABRT" }]

[[candidates]]           # an empty `match` is found in every source
call_s = 8.0e-3

[[factors]]              # each that is found multiplies the time of a call
match = "#define TILE 64"
factor = 0.5
"""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from harness.errors import TaskFault


@dataclass(frozen=True, slots=True)
class Event:
    """What happens in one batch of one worker of a candidate; workers and batches are counted from 0."""

    worker: int = 0
    batch: int = 0
    """Batches of all cases count; -1 = while the candidate is loaded."""
    died: str = ""
    """The worker ends, and this says how: `killed by SIGSEGV`."""
    overdue: bool = False
    """The worker does not answer before its deadline."""
    call_s: float = 0.0
    """Seconds per call in this batch; 0 = as ever."""
    mistake: str = ""
    """What is wrong with the outputs."""
    tampered: str = ""
    """What shows that the inputs were changed."""
    busy: str = ""
    """What shows that the worker still computes after it was done."""
    excess: str = ""
    """What shows that the worker takes too much memory."""
    late_samples: int = 0
    """Samples that change after the clock stopped."""
    overrun: int = 0
    """Bytes beside the outputs that change."""
    disturbed: str = ""
    """What else runs on the device during the batch."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a candidate does not build."""

    detail: str
    status: str = "build_failed"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a candidate does."""

    match: str = ""
    """Regular expression that is searched in the source."""
    call_s: float = 1e-3
    """Seconds per call in a batch."""
    single_s: float = 0.0
    """Seconds of a call that runs alone; 0 = as in a batch."""
    captures: bool = True
    """Whether its calls can be captured as a graph."""
    build: Failure | None = None
    events: tuple[Event, ...] = ()

    def event(self, *, worker: int, batch: int) -> Event:
        """Return what happens in a batch of a worker; an event of its own makes an ordinary batch."""
        happens = (event for event in self.events if (event.worker, event.batch) == (worker, batch))
        return next(happens, Event(worker, batch))


@dataclass(frozen=True, slots=True)
class Factor:
    """How a piece of a source changes the time of a call."""

    match: str
    factor: float


@dataclass(frozen=True, slots=True)
class VendorScript:
    """The vendor line of a scripted device."""

    call_s: float
    name: str = "scripted library"


@dataclass(frozen=True, slots=True)
class Script:
    """Everything that a scripted device does."""

    peak: float = 1e12
    """Units per second, whatever the unit."""
    name: str = "scripted device"
    pace: str = ""
    """Table of the timing policy, `cpu` or `cuda`; empty = that of the task's device."""
    seed: int = 0
    jitter: float = 0.0
    """Standard deviation of a batch's time, as a fraction."""
    overhead_s: float = 0.0
    """Dispatch overhead of a batch, seconds."""
    set_s: float = 1e-4
    """Seconds to fill one operand set."""
    build_s: float = 0.5
    cache_bytes: int = 1 << 20
    vendor: VendorScript | None = None
    candidates: tuple[Behaviour, ...] = (Behaviour(),)
    factors: tuple[Factor, ...] = ()
    company: tuple[int, ...] = ()
    """Looks for other processes, counted from 0, that find one."""

    def behaviour(self, source: str) -> Behaviour:
        """Return what a candidate does. Raises TaskFault: no `match` is found in its source."""
        for behaviour in self.candidates:
            if re.search(behaviour.match, source):
                return behaviour
        raise TaskFault(f"script: no candidate matches this source: {source[:60]!r}; add one with an empty match")

    def factor(self, source: str) -> float:
        """Return the product of all factors that are found in a source."""
        return math.prod(each.factor for each in self.factors if re.search(each.match, source))


def read(path: Path) -> Script:
    """Read a script from a TOML file.

    Raises:
        TaskFault: the file cannot be read, is no TOML, or a key is unknown or has a wrong value.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TaskFault(f"script {path}: {error.strerror}") from error
    except ValueError as error:
        raise TaskFault(f"script {path}: {error}") from error
    made: Script = _made(Script, table, place=f"script {path}")
    return made


_INNER: Mapping[tuple[type, str], type] = {
    (Script, "vendor"): VendorScript,
    (Script, "candidates"): Behaviour,
    (Script, "factors"): Factor,
    (Behaviour, "build"): Failure,
    (Behaviour, "events"): Event,
}


def _made(kind: type, table: Any, *, place: str) -> Any:
    """Return a dataclass from a table that holds some of its fields."""
    if not isinstance(table, dict):
        raise TaskFault(f"{place}: a table is needed, not {table!r}")
    known = {each.name: each for each in fields(kind)}
    if unknown := [key for key in table if key not in known]:
        raise TaskFault(f"{place}: unknown key {unknown[0]}; known are {', '.join(known)}")
    values = {key: _value(kind, key, value, place=f"{place}: {key}") for key, value in table.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise TaskFault(f"{place}: {str(error).partition('() ')[2]}") from error


def _value(kind: type, key: str, value: Any, *, place: str) -> Any:
    inner = _INNER.get((kind, key))
    if inner is None:
        return _plain(kind, key, value, place=place)
    if isinstance(value, list):
        return tuple(_made(inner, each, place=f"{place} {number}") for number, each in enumerate(value))
    return _made(inner, value, place=place)


def _plain(kind: type, key: str, value: Any, *, place: str) -> Any:
    wanted = next(each.type for each in fields(kind) if each.name == key)
    if wanted is float and isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    if wanted is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(wanted, type) and wanted in (str, bool) and isinstance(value, wanted):
        return value
    if isinstance(value, list) and all(isinstance(each, int) for each in value):
        return tuple(value)
    raise TaskFault(f"{place}: {value!r} is no {getattr(wanted, '__name__', wanted)}")


__all__ = ["Behaviour", "Event", "Factor", "Failure", "Script", "VendorScript", "read"]
