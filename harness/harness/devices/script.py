"""A script says what a scripted (simulated) device does with each candidate. It is made from Python values or read from
a TOML file like this one:

peak = 1.0e12            # units per second
jitter = 0.002           # standard deviation of a batch's time, as a fraction of that time

[vendor]                 # the vendor line; optional
call_s = 2.0e-3          # seconds per call

[[candidates]]           # the first entry whose `match` is found in the source sets the behaviour
match = "abort"
call_s = 4.0e-3
events = [{ worker = 0, batch = 2, died = "killed by SIGABRT" }]

[[candidates]]           # an entry without `match` fits every source
call_s = 8.0e-3

[[factors]]              # every factor whose `match` is found multiplies the time of a call
match = "#define TILE 64"
factor = 0.5
"""

import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from harness.errors import TaskFault


@dataclass(frozen=True, slots=True)
class ScriptedEvent:
    """A scripted event in one batch of one worker: the worker ends or misses its deadline, outputs are
    wrong, memory changes, other work disturbs the batch, or its time differs. `worker` (among the workers of one
    candidate) and `batch` count from 0. A field with its default value has no effect.
    """

    worker: int = 0
    batch: int = 0
    """Number of the batch, counted over all cases; -1 = while the worker loads the candidate."""
    died: str = ""
    """End of the worker in words, such as `killed by SIGSEGV`; empty if the worker keeps running."""
    overdue: bool = False
    """True if the worker does not answer before its deadline."""
    call_s: float = 0.0
    """Seconds per call in this batch; 0 = the candidate's usual time."""
    mistake: str = ""
    """Description of a mistake in the outputs; empty = they are right."""
    tampered: str = ""
    """Evidence that the worker changed the inputs; empty = it did not."""
    busy: str = ""
    """Evidence that the worker still computes after the batch; empty = it does not."""
    excess: str = ""
    """Evidence that the worker takes more memory than the task allows; empty = it does not."""
    late_samples: int = 0
    """Number of sampled output words that change after the clock has stopped."""
    overrun: int = 0
    """Number of bytes outside the outputs that the worker writes."""
    disturbed: str = ""
    """Description of other work on the device during the batch; empty = there is none."""


@dataclass(frozen=True, slots=True)
class ScriptedBuildFailure:
    """The build failure that a script sets for a candidate: `detail`, the sentence of the verdict, and `status`,
    `build_failed` or `rejected`.
    """

    detail: str
    status: str = "build_failed"
    """`build_failed` or `rejected`."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Scripted behaviour of all candidates whose source contains a match of the regular expression `match`: seconds per
    call, whether calls can be captured as a CUDA graph, how the build fails (None = it succeeds), and events in single
    batches.
    """

    match: str = ""
    """Regular expression that is searched in the source. An empty one matches every source."""
    call_s: float = 1e-3
    """Seconds per call in a batch."""
    single_s: float = 0.0
    """Seconds of a call in a batch of one call; 0 = the same as in longer batches."""
    captures: bool = True
    """True if the calls can be captured as a graph."""
    build: ScriptedBuildFailure | None = None
    """The failure of the build; None = the candidate builds."""
    events: tuple[ScriptedEvent, ...] = ()

    def event(self, *, worker: int, batch: int) -> ScriptedEvent:
        """Return what happens in batch number `batch` of worker number `worker`, both from 0 (batch -1 = loading); an
        event without effects if the script lists none for them.
        """
        happens = (event for event in self.events if (event.worker, event.batch) == (worker, batch))
        return next(happens, ScriptedEvent(worker, batch))


@dataclass(frozen=True, slots=True)
class Factor:
    """One entry of a script: the time of every candidate whose source contains a match of the regular expression
    `match` is multiplied by `factor`.
    """

    match: str
    factor: float


@dataclass(frozen=True, slots=True)
class VendorScript:
    """The vendor's library on a scripted device, which takes part as a candidate for comparison: `call_s`, its seconds
    per call, and `name`, its name in reports.
    """

    call_s: float
    name: str = "scripted library"


@dataclass(frozen=True, slots=True)
class Script:
    """Everything that a scripted device does: peak rate, name, jitter (random variation) of times, dispatch overhead,
    times of builds and input refreshes, vendor's library, behaviours of candidates, and at which checks another process
    appears. `read` makes it from a TOML file.
    """

    peak: float = 1e12
    """Units per second, the same for every unit."""
    name: str = "scripted device"
    pace: str = ""
    """Table of the timing policy, `cpu` or `cuda`; empty = the table of the task's device."""
    seed: int = 0
    jitter: float = 0.0
    """Standard deviation of a batch's time, as a fraction of that time."""
    overhead_s: float = 0.0
    """Dispatch overhead of a batch in seconds."""
    set_s: float = 1e-4
    """Seconds to fill one operand set."""
    build_s: float = 0.5
    """Seconds that a build takes."""
    cache_bytes: int = 1 << 20
    """Size of the last-level cache."""
    vendor: VendorScript | None = None
    candidates: tuple[Behaviour, ...] = (Behaviour(),)
    factors: tuple[Factor, ...] = ()
    other_processes_at: tuple[int, ...] = ()
    """Numbers, counted from 0, of the checks for other processes that find one."""

    def behaviour(self, source: str) -> Behaviour:
        """Return the first behaviour whose regular expression `match` is found in `source`, a candidate's source text.
        Raises TaskFault if none matches.
        """
        for behaviour in self.candidates:
            if re.search(behaviour.match, source):
                return behaviour
        raise TaskFault(f"script: no candidate matches this source: {source[:60]!r}; add one with an empty match")

    def factor(self, source: str) -> float:
        """Return the number by which a scripted device multiplies every time of a candidate with the text `source`;
        above 1 the candidate is slower. It is the product of the numbers of all entries in `factors` whose regular
        expression `match` is found in the text; 1 if none is found.
        """
        return math.prod(each.factor for each in self.factors if re.search(each.match, source))


def read(path: Path) -> Script:
    """Read a script from the TOML file at `path` and return it. Raises TaskFault, with the path and the key, if the
    file cannot be read, is not TOML, or holds an unknown key or a wrong value.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TaskFault(f"script {path}: {error.strerror}") from error
    except ValueError as error:
        raise TaskFault(f"script {path}: {error}") from error
    script: Script = _parsed(Script, table, place=f"script {path}")
    return script


_NESTED: Mapping[tuple[type, str], type] = {
    (Script, "vendor"): VendorScript,
    (Script, "candidates"): Behaviour,
    (Script, "factors"): Factor,
    (Behaviour, "build"): ScriptedBuildFailure,
    (Behaviour, "events"): ScriptedEvent,
}


def _parsed(kind: type, table: Any, *, place: str) -> Any:
    """Return an instance of the dataclass `kind` with the values of a TOML table; fields that the table leaves out keep
    their defaults. `place` names the table in messages. Raises TaskFault if a key is unknown or missing, or a value is
    wrong.
    """
    if not isinstance(table, dict):
        raise TaskFault(f"{place}: a table is wanted, not {table!r}")
    known = {each.name: each for each in fields(kind)}
    if unknown := [key for key in table if key not in known]:
        raise TaskFault(f"{place}: unknown key {unknown[0]}; known are {', '.join(known)}")
    if missing := [name for name, each in known.items() if each.default is MISSING and name not in table]:
        raise TaskFault(f"{place}: key {missing[0]} is missing")
    return kind(**{key: _value(kind, key, value, place=f"{place}: {key}") for key, value in table.items()})


def _value(kind: type, key: str, value: Any, *, place: str) -> Any:
    if nested := _NESTED.get((kind, key)):
        if isinstance(value, list):
            return tuple(_parsed(nested, each, place=f"{place} {number}") for number, each in enumerate(value))
        return _parsed(nested, value, place=place)
    is_valid, description = _PLAIN[next(each.type for each in fields(kind) if each.name == key)]
    if key in _SPECIAL:
        is_valid, description = _SPECIAL[key]
    if kind is ScriptedEvent and key == "call_s":
        is_valid, description = _PLAIN[float]
    if not is_valid(value):
        raise TaskFault(f"{place}: {description} is wanted, not {value!r}")
    return tuple(value) if isinstance(value, list) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_pattern(value: Any) -> bool:
    try:
        re.compile(value)
    except (TypeError, re.error):
        return False
    return True


_Rule = tuple[Callable[[Any], bool], str]
"""A test of a value, and a description of the values that pass the test."""
_PLAIN: Mapping[Any, _Rule] = {
    float: (_is_number, "a number of at least 0"),
    int: (_is_count, "a whole number of at least 0"),
    bool: (lambda value: isinstance(value, bool), "true or false"),
    str: (lambda value: isinstance(value, str), "a text"),
    tuple[int, ...]: (lambda value: isinstance(value, list) and all(map(_is_count, value)), "a list of whole numbers"),
}
_POSITIVE: _Rule = (lambda value: _is_number(value) and value > 0, "a number above 0")
_SPECIAL: Mapping[str, _Rule] = {
    **dict.fromkeys(("peak", "set_s", "call_s", "factor"), _POSITIVE),
    "batch": (lambda value: value == -1 or _is_count(value), "a whole number of at least -1"),
    "match": (_is_pattern, "a regular expression"),
    "pace": (lambda value: value in ("", "cpu", "cuda"), "cpu or cuda"),
    "status": (lambda value: value in ("build_failed", "rejected"), "build_failed or rejected"),
}
"""Rules by key, which replace the rules by type."""


__all__ = ["Behaviour", "Factor", "Script", "ScriptedBuildFailure", "ScriptedEvent", "VendorScript", "read"]
