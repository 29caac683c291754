"""The task as the judge sees it, hidden cases included: task.toml and the functions of benchmark.py.

The agent has already checked the folder strictly (kernelsmith/core/task_folder.py); here a missing key is our error.
"""

import importlib.util
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contract import ITEM_BYTES, architecture, default_limit
from harness.errors import TaskFault

Array = NDArray[Any]
Arrays = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Buffer:
    """One pointer argument of the entry function."""

    name: str
    is_output: bool
    dtype: str
    """As in task.toml; numpy knows all but bfloat16 and float8_e4m3fn by the same name."""
    shape: tuple[str, ...]

    def shape_in(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape in one case."""
        return tuple(sizes[name] for name in self.shape)

    def bytes_in(self, sizes: Mapping[str, int]) -> int:
        """The size in one case, bytes."""
        return math.prod(self.shape_in(sizes)) * ITEM_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class Case:
    """One concrete problem."""

    name: str
    sizes: Mapping[str, int]
    data: str
    timed: float
    hidden: bool
    kind: str


@dataclass(frozen=True, slots=True)
class Check:
    """How outputs are compared: `product` (C = A Bᵀ) or `elementwise`."""

    rule: str
    left: str = ""
    right: str = ""
    output: str = ""
    independent: str = ""
    """The size that counts rows of every output that depend on the same rows of inputs, and on inputs that have no such
    rows; empty = none does."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Deadlines in seconds, sizes in bytes."""

    source_bytes: int = default_limit("source_bytes")
    build_s: float = default_limit("build_s")
    call_s: float = default_limit("call_s")
    timing_s: float = default_limit("timing_s")
    memory_bytes: int = default_limit("memory_bytes")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Largest error of one element and of all together, in units of the check's scale, and of how many at all."""

    max_element: float
    rms: float
    mismatch: float = 1.0
    """Of outputs narrower than 32 bits: the fraction that may differ from the correctly rounded result."""
    coarse: float = 1.0
    """Of such a product's small elements, what is left where sums cancel: the fraction that may end in two zero bits.
    A quarter does; where partial sums were rounded to the output's type, most do."""


@dataclass(frozen=True, slots=True)
class Task:
    """What the judge needs of a task folder."""

    folder: Path
    device: str
    unit: str
    languages: tuple[str, ...]
    entry: str
    arguments: tuple[tuple[str, str], ...]
    """(name, role) in the order of the entry function's signature."""
    buffers: tuple[Buffer, ...]
    size_names: tuple[str, ...]
    cases: tuple[Case, ...]
    check: Check
    limits: Limits
    forbidden: tuple[str, ...]
    vendor: str | None
    arch: str | None
    """The GPU architecture of candidates, `sm_90a`; None on a CPU."""
    benchmark: Any
    """benchmark.py as a module."""
    takes_rows_of_calls: bool = False
    """Whether the reference, given the independent rows of several calls and what has no such rows once for each row,
    tells what it tells call by call; tried out, not declared."""

    @property
    def timed(self) -> tuple[Case, ...]:
        """The cases that make the score; the first is the main case."""
        return tuple(case for case in self.cases if case.timed > 0)

    @property
    def narrowest_output(self) -> int:
        """Bytes of an element."""
        return min(ITEM_BYTES[buffer.dtype] for buffer in self.buffers if buffer.is_output)

    def buffer(self, name: str) -> Buffer:
        """By name."""
        return next(buffer for buffer in self.buffers if buffer.name == name)

    def work(self, case: Case) -> float:
        """Units of work of one call: bytes for a bandwidth unit, else arithmetic operations."""
        count: Callable[[Mapping[str, int]], float]
        count = self.benchmark.bytes if self.unit == "dram" else self.benchmark.flops
        return count(case.sizes)

    def tolerance(self, case: Case) -> Tolerance:
        """The task's rule for one case; exact data admit no error at all."""
        if case.data == "small_integers":
            return Tolerance(0.0, 0.0, 0.0)
        return Tolerance(**self.benchmark.tolerance(case.sizes))

    def reference(self, inputs: Arrays, xp: Any = np) -> Arrays:
        """The right outputs, in higher precision; `xp` is the array library that the inputs belong to."""
        result: Arrays = self.benchmark.reference(inputs, xp)
        return result


def load(folder: Path) -> Task:
    """Read a task folder.

    Raises:
        TaskFault: task.toml is not what the agent checked.
        Exception: whatever benchmark.py raises.
    """
    benchmark = _benchmark(folder / "benchmark.py")
    try:
        return _from_table(folder, benchmark)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TaskFault(f"task.toml: {type(error).__name__}: {error}") from error


def _from_table(folder: Path, benchmark: ModuleType) -> Task:
    spec = tomllib.loads((folder / "task.toml").read_text(encoding="utf-8"))
    arguments, check = spec["signature"]["arguments"], spec["check"]
    return Task(
        folder=folder,
        device=spec["device"],
        unit=spec["unit"],
        languages=tuple(spec["languages"]),
        entry=spec["signature"]["entry"],
        arguments=tuple((a["name"], a["role"]) for a in arguments),
        buffers=tuple(_buffer(a) for a in arguments if a["role"] != "size"),
        size_names=tuple(a["name"] for a in arguments if a["role"] == "size"),
        cases=tuple(_case(c) for c in spec["cases"]),
        check=Check(**check),
        limits=Limits(**spec.get("limits", {})),
        forbidden=tuple(spec.get("rules", {}).get("forbidden", ())),
        vendor=spec.get("vendor"),
        arch=spec.get("arch") or architecture(spec["device"]),
        benchmark=benchmark,
    )


def _buffer(argument: Mapping[str, Any]) -> Buffer:
    shape = tuple(argument["shape"])
    return Buffer(argument["name"], argument["role"] == "output", argument["dtype"], shape)


def _case(spec: Mapping[str, Any]) -> Case:
    return Case(
        name=spec["name"],
        sizes=spec["sizes"],
        data=spec.get("data", "normal"),
        timed=spec.get("timed", 0.0),
        hidden=spec.get("hidden", False),
        kind=spec.get("kind") or spec["name"],
    )


def _benchmark(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark", path)
    if spec is None or spec.loader is None:
        raise OSError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
