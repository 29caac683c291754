"""The facts that the agent shares with the judge: harness/contract.toml, which the judge reads too."""

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kernelsmith import paths


@dataclass(frozen=True, slots=True)
class Dtype:
    """An element type of a task's arguments."""

    bytes: int
    """Of one element."""
    cuda: str
    """The type's name in CUDA C++."""
    c: str | None = None
    """The type's name in C; None where C candidates cannot be given it."""


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What a kind of device offers a task."""

    units: tuple[str, ...]
    languages: tuple[str, ...]
    vendor: str
    """The name of its vendor library in task.toml."""
    architectures: tuple[str, ...]
    """What candidates can be built for; the first is the default."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One key of the table `[limits]` of task.toml."""

    default: float
    """The value where a task does not set the key."""
    most: float
    """The highest value that a task may set."""


@dataclass(frozen=True, slots=True)
class MemoryFacts:
    """What judging a case takes of a CPU's memory at most, about."""

    per_input_byte: float
    """Bytes for each byte of one set's inputs."""
    per_output_byte: float
    """Bytes for each byte of one set's outputs."""
    share_of_free: float
    """The part of the machine's free memory that the judge may take."""


@functools.cache
def facts() -> Mapping[str, Any]:
    """Return the whole file; it is parsed once in a process."""
    return tomllib.loads((paths.harness_folder() / "contract.toml").read_text(encoding="utf-8"))


def temporary_prefix() -> str:
    """Return the start of the name of every folder that either program makes in the temporary directory."""
    return str(facts()["temporary"]["prefix"])


def timing_policy() -> Mapping[str, object]:
    """Return margins, durations and sample counts that decide a score, as plain tables that JSON can hold."""
    policy: Mapping[str, object] = facts()["timing"]
    return policy


def duel_margin() -> float:
    """Return the speedup above which the interval of a duel must lie."""
    return float(facts()["timing"]["duel"]["margin"])


def protocol_version() -> int:
    """Return the version that every request and answer on the wire carries."""
    return int(facts()["wire"]["version"])


def most_calls() -> int:
    """Return the most calls of one batch."""
    return int(facts()["wire"]["most_calls"])


def is_key(text: str) -> bool:
    """Return whether a text has the form of a key that generates a batch's inputs: 32 lower-case hexadecimal digits."""
    return re.fullmatch(rf"[0-9a-f]{{{facts()['wire']['key_digits']}}}", text) is not None


def names(table: str, key: str) -> tuple[str, ...]:
    """Return a list of names: `names("task", "roles")`, `names("wire", "faults")`."""
    return tuple(facts()[table][key])


def dtypes() -> Mapping[str, Dtype]:
    """Return the element types by name."""
    return {name: Dtype(**values) for name, values in facts()["dtypes"].items()}


def devices() -> Mapping[str, DeviceFacts]:
    """Return what each kind of device offers, by its name."""
    return {name: DeviceFacts(**_with_tuples(values)) for name, values in facts()["devices"].items()}


def memory() -> MemoryFacts:
    """Return what judging takes of a CPU's memory."""
    return MemoryFacts(**facts()["memory"])


def limits() -> Mapping[str, Limit]:
    """Return the limits of a task by key."""
    return {name: Limit(**values) for name, values in facts()["limits"].items()}


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
