"""Read harness/contract.toml, the file of facts (element types, limits, timing constants) that the agent and the judge
share.

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
    """An element type of the arrays in a task, such as `float32`: bytes per element, and the type's names in CUDA C++
    and in C. The function `dtypes` makes one for each type from contract.toml.
    """

    bytes: int
    """Size of one element in bytes."""
    cuda: str
    """The type's name in CUDA C++."""
    c: str | None = None
    """The type's name in C; None if C candidates cannot receive the type."""


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """The values that task.toml may hold for one kind of device, `cpu` or `cuda`: names of units, of languages, of the
    vendor library and of GPU architectures. The function `devices` makes one for each kind from contract.toml.
    """

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
    """The default and the highest allowed value of one key of the table `[limits]` of task.toml, such as `build_s`, the
    seconds that a build may take. The function `limits` makes one for each key from contract.toml.
    """

    default: float
    """The value if a task does not set the key."""
    most: float
    """The highest value that a task may set."""


@dataclass(frozen=True, slots=True)
class MemoryFacts:
    """Figures to estimate whether the judge has enough memory for one case of a CPU task: bytes of memory that the
    judge needs for each byte of the kernel's inputs and outputs, and the fraction of the free memory that it may take.
    The function `memory` reads them from contract.toml.
    """

    per_input_byte: float
    """Bytes of memory for each byte of the inputs of one call."""
    per_output_byte: float
    """Bytes of memory for each byte of the outputs of one call."""
    share_of_free: float
    """The fraction of the machine's free memory that the judge may take."""


@functools.cache
def facts() -> Mapping[str, Any]:
    """Return the content of harness/contract.toml as a dict of nested tables; a process reads the file once. Raises
    OSError if the file is missing, and tomllib.TOMLDecodeError if it is not valid TOML.
    """
    return tomllib.loads((paths.harness_folder() / "contract.toml").read_text(encoding="utf-8"))


def temporary_prefix() -> str:
    """Return `kernelsmith-`, the text with which agent and harness begin the name of every folder that they make in the
    temporary directory.
    """
    return str(facts()["temporary"]["prefix"])


def timing_policy() -> Mapping[str, object]:
    """Return the table `[timing]` of contract.toml as nested dicts that JSON can hold: the margins, durations and
    sample counts by which the judge computes a score. The log stores it with each run.
    """
    policy: Mapping[str, object] = facts()["timing"]
    return policy


def duel_margin() -> float:
    """Return the speedup that a contender must prove in a duel, such as 1.01. A duel runs the contender and the best
    kernel in turn on the same inputs; the contender wins if the lower end of the 95 % interval of its speedup exceeds
    this number.
    """
    return float(facts()["timing"]["duel"]["margin"])


def protocol_version() -> int:
    """Return the version number of the messages between agent and judge. Every request and every answer carries it."""
    return int(facts()["wire"]["version"])


def most_calls() -> int:
    """Return the largest number of kernel calls that one timed batch may hold."""
    return int(facts()["wire"]["most_calls"])


def is_key(text: str) -> bool:
    """Return whether `text` has the form of a batch key: 32 lower-case hexadecimal digits. The judge draws the random
    inputs of a timed batch from its key, so that the key can reproduce them.
    """
    return re.fullmatch(rf"[0-9a-f]{{{facts()['wire']['key_digits']}}}", text) is not None


def names(table: str, key: str) -> tuple[str, ...]:
    """Return the list of names under `key` in the table `table` of contract.toml, as a tuple: `names("task", "roles")`
    is `("input", "output", "size")`. Raises KeyError if contract.toml lacks the table or the key.
    """
    return tuple(facts()[table][key])


def dtypes() -> Mapping[str, Dtype]:
    """Return a dict from the name of each element type that a task's arrays may have, such as `float32`, to its Dtype:
    bytes per element, and names in CUDA C++ and C.
    """
    return {name: Dtype(**values) for name, values in facts()["dtypes"].items()}


def devices() -> Mapping[str, DeviceFacts]:
    """Return a dict from each kind of device, `cpu` and `cuda`, to its DeviceFacts: the units, languages, vendor
    library and architectures that task.toml may name for it.
    """
    return {name: DeviceFacts(**_with_tuples(values)) for name, values in facts()["devices"].items()}


def memory() -> MemoryFacts:
    """Return the figures with which the agent estimates the memory that judging a CPU task needs, read from the table
    `[memory]` of contract.toml.
    """
    return MemoryFacts(**facts()["memory"])


def limits() -> Mapping[str, Limit]:
    """Return a dict from each key of the table `[limits]` of task.toml, such as `build_s`, to its Limit: the default
    and the highest allowed value.
    """
    return {name: Limit(**values) for name, values in facts()["limits"].items()}


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
