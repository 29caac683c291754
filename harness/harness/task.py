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
    """One array argument of the entry function, which every candidate must define and which receives the array as a
    pointer: name, whether it is an output, element type and shape. `load` makes it.
    """

    name: str
    is_output: bool
    dtype: str
    """Element type as in task.toml. Numpy uses the same names, and lacks bfloat16 and float8_e4m3fn."""
    shape: tuple[str, ...]
    """Names of the sizes that give the dimensions, slowest first."""

    def shape_in(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Return the array's dimensions as a tuple of numbers, given `sizes`, the sizes of a case by name. Raises
        KeyError if a size is missing.
        """
        return tuple(sizes[name] for name in self.shape)

    def bytes_in(self, sizes: Mapping[str, int]) -> int:
        """Return the size of the array in bytes, given `sizes`, the sizes of a case by name. Raises KeyError if a size
        is missing.
        """
        return math.prod(self.shape_in(sizes)) * ITEM_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class Case:
    """One problem of a task: sizes of the arguments by name, kind of random data, weight in the score (0 = not timed),
    and whether it is hidden from proposers (the parts that suggest kernels). `load` makes it from a table `[[cases]]`
    of task.toml.
    """

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
    """The rule by which outputs are compared with the reference, `product` (a matrix product) or `elementwise`, with
    the names of the arguments that it concerns. `load` makes it from the table `[check]` of task.toml.
    """

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
    """The limits of a task: bytes of a candidate's source and of a worker's memory, and seconds of a build, of one
    batch of calls and of all timing. `load` makes it from the table `[limits]` of task.toml; a missing key has the
    default of contract.toml.
    """

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
    """Limits for the errors of one output. `max_element` and `rms` limit errors in units of a scale: |a_i| |b_j|, the
    lengths of the two rows, for element (i, j) of a matrix product, otherwise the element's magnitude plus the rms of
    the output. `mismatch` and `coarse` limit fractions from 0 to 1: of elements that differ from the exact result
    rounded to the output's type, and of small elements that end in two zero bits.
    """

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
    """Everything that the judge needs of a task folder: settings, arguments, cases, limits and the check of task.toml,
    and benchmark.py as an imported module. `load` makes it.
    """

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
        """Return the cases with a weight above 0 as a tuple; the score is computed from them, and the first is the main
        case.
        """
        return tuple(case for case in self.cases if case.timed > 0)

    @property
    def narrowest_output(self) -> int:
        """Return the element size, in bytes, of the output that has the smallest elements."""
        return min(ITEM_BYTES[buffer.dtype] for buffer in self.buffers if buffer.is_output)

    def buffer(self, name: str) -> Buffer:
        """Return the array argument with this name. Raises StopIteration if the task has no such array."""
        return next(buffer for buffer in self.buffers if buffer.name == name)

    def work(self, case: Case) -> float:
        """Return the work of one kernel call in a case, as benchmark.py counts it: bytes to and from memory if the
        task's unit is `dram`, else arithmetic operations. Raises whatever benchmark.py raises.
        """
        count: Callable[[Mapping[str, int]], float]
        count = self.benchmark.bytes if self.unit == "dram" else self.benchmark.flops
        return count(case.sizes)

    def tolerance(self, case: Case) -> Tolerance:
        """Return the largest allowed errors of a case: zero for small whole numbers, whose results are exact, else what
        the function `tolerance` of benchmark.py returns. Raises TypeError for wrong keys, and whatever benchmark.py
        raises.
        """
        if case.data == "small_integers":
            return Tolerance(0.0, 0.0, 0.0)
        return Tolerance(**self.benchmark.tolerance(case.sizes))

    def reference(self, inputs: Arrays, xp: Any = np) -> Arrays:
        """Return the right outputs of one call by name, which benchmark.py computes from `inputs` (arrays by name) in
        higher precision. `xp` is the array library of the inputs, numpy or cupy; the outputs are arrays of it. Raises
        whatever benchmark.py raises.
        """
        result: Arrays = self.benchmark.reference(inputs, xp)
        return result


def load(folder: Path) -> Task:
    """Read a task folder and return the task; this imports benchmark.py, and so executes it. Raises TaskFault if
    task.toml cannot be read or lacks a key, and any exception that benchmark.py raises while it is imported.
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
