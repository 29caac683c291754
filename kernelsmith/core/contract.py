"""Read harness/contract.toml, the file of facts that the agent and the judge share.

harness/harness/contract.py reads the same file for the judge.
"""

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
    """Size of one element in bytes."""
    cuda: str
    """The type's name in CUDA C++."""
    c: str | None = None
    """The type's name in C; None if C candidates cannot receive the type."""


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """The values that task.toml may hold for one kind of device."""

    units: tuple[str, ...]
    """Names of the units whose peak the device has, such as `fp32`."""
    languages: tuple[str, ...]
    """Names of the languages that candidates may be written in."""
    vendor: str
    """The name of the device's vendor library: `openblas` or `cublaslt`."""
    architectures: tuple[str, ...]
    """Names of the architectures that candidates can be built for, the default first; empty on a CPU."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The default and the highest value of one key of the table `[limits]` of task.toml."""

    default: float
    """The value if a task does not set the key."""
    most: float
    """The highest value that a task may set."""


@dataclass(frozen=True, slots=True)
class MemoryFacts:
    """The memory that judging one case of a CPU task takes at most, as estimated factors."""

    per_input_byte: float
    """Bytes of memory for each byte of the inputs of one call."""
    per_output_byte: float
    """Bytes of memory for each byte of the outputs of one call."""
    share_of_free: float
    """The fraction of the machine's free memory that the judge may take."""


@functools.cache
def facts() -> Mapping[str, Any]:
    """Return the content of contract.toml as nested tables; a process parses the file once."""
    return tomllib.loads((paths.harness_folder() / "contract.toml").read_text(encoding="utf-8"))


def temporary_prefix() -> str:
    """Return the start of the name of every folder that either program makes in the temporary directory."""
    return str(facts()["temporary"]["prefix"])


def timing_policy() -> Mapping[str, object]:
    """Return the margins, durations and sample counts that decide a score, as nested tables that JSON can hold."""
    policy: Mapping[str, object] = facts()["timing"]
    return policy


def duel_margin() -> float:
    """Return the speedup that the lower end of a duel's interval must exceed, such as 1.01."""
    return float(facts()["timing"]["duel"]["margin"])


def protocol_version() -> int:
    """Return the version number that every request and answer between agent and judge carries."""
    return int(facts()["wire"]["version"])


def most_calls() -> int:
    """Return the largest number of calls that one batch may hold."""
    return int(facts()["wire"]["most_calls"])


def is_key(text: str) -> bool:
    """Return whether a text is a key, from which a batch's inputs are drawn: 32 lower-case hexadecimal digits."""
    return re.fullmatch(rf"[0-9a-f]{{{facts()['wire']['key_digits']}}}", text) is not None


def names(table: str, key: str) -> tuple[str, ...]:
    """Return the list of names under a key of one table of contract.toml: `names("task", "roles")`."""
    return tuple(facts()[table][key])


def dtypes() -> Mapping[str, Dtype]:
    """Return the element types that arguments of a task may have, by name."""
    return {name: Dtype(**values) for name, values in facts()["dtypes"].items()}


def devices() -> Mapping[str, DeviceFacts]:
    """Return the values that task.toml may hold for each kind of device, by the name of the kind."""
    return {name: DeviceFacts(**_with_tuples(values)) for name, values in facts()["devices"].items()}


def memory() -> MemoryFacts:
    """Return the factors from which the memory for judging a CPU task is estimated."""
    return MemoryFacts(**facts()["memory"])


def limits() -> Mapping[str, Limit]:
    """Return the default and the highest value of every key of `[limits]` of task.toml, by key."""
    return {name: Limit(**values) for name, values in facts()["limits"].items()}


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
