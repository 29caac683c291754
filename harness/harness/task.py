"""Read a task folder for the judge: task.toml with its hidden cases, and the functions of benchmark.py.

The agent has already checked task.toml against a strict schema (kernelsmith/core/task_file.py), so this module reports
a wrong key only by its name. checking/benchmark_check.py checks the functions.
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
"""Arrays of one call by the name of the argument."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """One array argument of the entry function, which a candidate receives as a pointer."""

    name: str
    is_output: bool
    dtype: str
    """Element type as in task.toml. Numpy uses the same names, and lacks bfloat16 and float8_e4m3fn."""
    shape: tuple[str, ...]
    """Names of the sizes that give the dimensions, slowest first."""

    def shape_in(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Return the dimensions of the array for the sizes of a case."""
        return tuple(sizes[name] for name in self.shape)

    def bytes_in(self, sizes: Mapping[str, int]) -> int:
        """Return the number of bytes of the array for the sizes of a case."""
        return math.prod(self.shape_in(sizes)) * ITEM_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class Case:
    """One problem of a task: the sizes of the arguments, and the kind of data in the inputs."""

    name: str
    sizes: Mapping[str, int]
    """Value of each size argument by name."""
    data: str
    """`normal`, `small_integers` or `wide_range`; see checking/inputs.py."""
    timed: float
    """Weight of the case in the score; 0 means that the case is checked and not timed."""
    hidden: bool
    """Whether proposers are kept from the case."""
    kind: str
    """The words about a hidden case that a verdict may hold."""


@dataclass(frozen=True, slots=True)
class Check:
    """The rule by which outputs are compared with the reference: the table `[check]` of task.toml."""

    rule: str
    """`product` for an output C = A Bᵀ, or `elementwise`."""
    left: str = ""
    """Name of A; empty unless the rule is `product`."""
    right: str = ""
    """Name of B; empty unless the rule is `product`."""
    output: str = ""
    """Name of C; empty unless the rule is `product`."""
    independent: str = ""
    """Name of the size that counts independent rows: row i of every output depends only on row i of the inputs, and on
    inputs without such rows. Empty if rows may depend on one another."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a task, in seconds and bytes: the table `[limits]` of task.toml."""

    source_bytes: int = default_limit("source_bytes")
    """Largest source file."""
    build_s: float = default_limit("build_s")
    """Deadline of a build."""
    call_s: float = default_limit("call_s")
    """Deadline of a batch of calls."""
    timing_s: float = default_limit("timing_s")
    """About how long the timed batches of a case take together."""
    memory_bytes: int = default_limit("memory_bytes")
    """Memory that a worker may take besides the buffers."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The largest allowed errors of outputs, in units of the scale that verify.py defines for the task's rule."""

    max_element: float
    """Largest error of one element."""
    rms: float
    """Largest root mean square of the errors of all elements."""
    mismatch: float = 1.0
    """Largest fraction of elements that may differ from the correctly rounded result; for outputs of at most 16 bits.
    """
    coarse: float = 1.0
    """Largest fraction of small elements that may end in two zero bits; for a product with outputs of at most 16 bits.
    About a quarter do by chance; most do if partial sums were rounded to the output's type."""


@dataclass(frozen=True, slots=True)
class Task:
    """Everything that the judge needs of a task folder: the content of task.toml, and benchmark.py as a module."""

    folder: Path
    device: str
    unit: str
    languages: tuple[str, ...]
    entry: str
    arguments: tuple[tuple[str, str], ...]
    """Name and role (`input`, `output` or `size`) of each argument, in the order of the entry function's signature."""
    buffers: tuple[Buffer, ...]
    """The array arguments in the same order."""
    size_names: tuple[str, ...]
    """Names of the size arguments in the same order."""
    cases: tuple[Case, ...]
    check: Check
    limits: Limits
    forbidden: tuple[str, ...]
    """Texts that a source must not contain."""
    vendor: str | None
    """Name of the vendor library, `openblas` or `cublaslt`, or None if figures are compared with no library."""
    arch: str | None
    """The GPU architecture that candidates are built for, such as `sm_90a`; None on a CPU."""
    benchmark: Any
    """The module benchmark.py."""
    takes_rows_of_calls: bool = False
    """Whether one call of the reference may compute several calls at once, from inputs that verify.joined made.
    checking/benchmark_check.py finds this out by a trial."""

    @property
    def timed(self) -> tuple[Case, ...]:
        """Return the timed cases, from which the score is computed; the first is the main case."""
        return tuple(case for case in self.cases if case.timed > 0)

    @property
    def narrowest_output(self) -> int:
        """Return the size in bytes of an element of the output with the smallest elements."""
        return min(ITEM_BYTES[buffer.dtype] for buffer in self.buffers if buffer.is_output)

    def buffer(self, name: str) -> Buffer:
        """Return the array argument with this name. Raises StopIteration if there is none."""
        return next(buffer for buffer in self.buffers if buffer.name == name)

    def work(self, case: Case) -> float:
        """Return the work of one call of a case: bytes if the unit is `dram`, else arithmetic operations."""
        count: Callable[[Mapping[str, int]], float]
        count = self.benchmark.bytes if self.unit == "dram" else self.benchmark.flops
        return count(case.sizes)

    def tolerance(self, case: Case) -> Tolerance:
        """Return the tolerance of a case: zero for small integers, whose results are exact, else what benchmark.py
        returns.
        """
        if case.data == "small_integers":
            return Tolerance(0.0, 0.0, 0.0)
        return Tolerance(**self.benchmark.tolerance(case.sizes))

    def reference(self, inputs: Arrays, xp: Any = np) -> Arrays:
        """Return the right outputs of one call in higher precision, from benchmark.py. `xp` is the array library of the
        inputs: numpy or cupy.
        """
        result: Arrays = self.benchmark.reference(inputs, xp)
        return result


def load(folder: Path) -> Task:
    """Return the task of a folder. This imports benchmark.py, and so executes it.

    Raises:
        TaskFault: if task.toml cannot be read or lacks a key.
        Exception: any exception that benchmark.py raises while it is imported.
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
