"""Examination of outputs on a GPU: the host code of memory/stored.py and memory/examiner.py, with kernels in numpy."""

import ctypes
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness import task as tasks
from harness.checking import benchmark_check
from harness.checking.rounding import rounded
from harness.memory import OutputCheck
from harness.memory.layout import Layout, lay_out
from kernelsmith import paths

SETS, ROWS, COLS = 5, 1000, 64
TASK = benchmark_check.load(paths.tasks_folder() / "hopper_rmsnorm")
CASE = replace(TASK.timed[0], sizes={"ROWS": ROWS, "COLS": COLS})


EXAMINING = ("harness.memory.examiner", "harness.memory.stored")


class Array(np.ndarray):
    """An array with cupy's method `get`."""

    def get(self) -> np.ndarray:
        """Return the values as a numpy array."""
        return np.asarray(self)


class Library(ModuleType):
    """A module that offers numpy's functions under cupy's name."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, shape: Any, dtype: Any) -> Array:
        """Return an uninitialized Array."""
        return np.empty(shape, dtype).view(Array)

    def zeros(self, shape: Any, dtype: Any) -> Array:
        """Return an Array of zeros."""
        return np.zeros(shape, dtype).view(Array)


class Kernels:
    """The judge's kernels in numpy, with a count of launches."""

    full_grid = 1000

    def __init__(self) -> None:
        self.launched = 0

    def __call__(self, name: str, blocks: object, *arguments: Any) -> None:
        self.launched += 1
        {"decode_bfloat16": decode, "pick_bfloat16": pick, "compare_bfloat16": compare}[name](*arguments)


def words(place: Any, count: int) -> np.ndarray:
    """Return the bits of `count` bfloat16 values, stored at an address or in an array."""
    if isinstance(place, np.ndarray):
        return np.asarray(place).reshape(-1)[:count]
    return np.frombuffer((ctypes.c_uint16 * count).from_address(int(place)), np.uint16)


def floats(stored: np.ndarray) -> np.ndarray:
    """Return bfloat16 bits as float32 values."""
    return (stored.astype(np.uint32) << 16).view(np.float32)


def decode(stored: Any, values: np.ndarray, count: np.uint64) -> None:
    """See kernels.cu."""
    values.reshape(-1)[:] = floats(words(stored, int(count)))


def pick(rows: np.ndarray, length: np.uint64, copies: np.ndarray) -> None:
    """See kernels.cu."""
    for copy, place in zip(copies, rows, strict=True):
        copy[:] = words(place, int(length))


def compare(got: Any, expected: np.ndarray, rows: np.uint64, cols: np.uint64, *rest: Any) -> None:
    """See kernels.cu; sums that do not affect the verdict are left out."""
    _left, _right, rms, allowed, *_, errors, wrong = rest
    calls, each = len(expected), int(rows) * int(cols)
    made, right = floats(words(got, calls * each)).reshape(calls, each), expected.reshape(calls, each)
    units = np.abs(made - right) / (np.abs(right) + rms[:, None])
    errors["squares"], errors["beyond"] = np.square(units, dtype=float).sum(axis=1), (units > allowed).sum(axis=1)
    errors["largest"], errors["mismatches"] = units.max(axis=1), (rounded(right, "bfloat16") != made).sum(axis=1)
    if isinstance(wrong, np.ndarray):
        wrong.reshape(-1)[:] = (units > allowed).ravel()


class Memory:
    """Inputs and honest outputs of some operand sets in host memory, with a Stored that examines them."""

    def __init__(self, task: tasks.Task) -> None:
        from harness.memory.examiner import Examiner
        from harness.memory.stored import Stored

        self.layout: Layout = lay_out(task, CASE, sets=SETS)
        self.inputs, self.outputs = (
            np.zeros(size, np.uint8) for size in (self.layout.input_bytes, self.layout.output_bytes)
        )
        self.kernels, rng = Kernels(), np.random.default_rng(0)
        for index in range(SETS):
            given = {"X": rng.standard_normal((ROWS, COLS)), "W": rng.standard_normal(COLS)}
            given = {name: rounded(values.astype(np.float32), "bfloat16") for name, values in given.items()}
            self.write(index, **given, Y=task.reference(given)["Y"])
        places = self.inputs.ctypes.data, self.outputs.ctypes.data
        self.stored = Stored(Examiner(self.kernels), task, CASE, self.layout, *places)  # type: ignore[arg-type]

    def write(self, index: int, **buffers: np.ndarray) -> None:
        """Write buffers of a set, rounded to bfloat16."""
        for name, values in buffers.items():
            column = "XWY".index(name)
            memory, begin = (self.outputs if name == "Y" else self.inputs), int(self.layout.offsets[index, column])
            bits = rounded(values, "bfloat16").view(np.uint32) >> 16
            memory[begin : begin + 2 * values.size].view(np.uint16)[:] = bits.ravel()

    def look(self, seed: int, *, sets: range = range(SETS), full: bool = False) -> str:
        """Return the detail of the first wrong output of these sets; empty if none is wrong."""
        check = OutputCheck(0, 1, np.random.default_rng(seed), full=full)
        mistake = self.stored.examine(sets, check)
        return mistake.detail if mistake else ""


@pytest.fixture(params=[True, False], ids=["rows of all calls at once", "call by call"])
def memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Memory]:
    library, kernels = Library("cupy"), ModuleType("harness.memory.kernels")
    vars(kernels).update(
        Kernels=Kernels, THREADS=256, WARP=32, ROWS_IN_A_BLOCK=32, SLAB=256, COLUMN_PACK=8, PACK_BYTES=16
    )
    for name in EXAMINING:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "cupy", library)
    monkeypatch.setitem(sys.modules, "harness.memory.kernels", kernels)
    yield Memory(replace(TASK, takes_rows_of_calls=request.param))
    for name in EXAMINING:
        del sys.modules[name]


def test_honest_outputs_pass_the_full_comparison_and_row_samples(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [memory.look(seed) for seed in range(5)] == [""] * 5
    assert memory.look(0, full=True) == ""
    assert memory.look(0, sets=range(1, 4)) == ""


def test_calls_are_compared_in_parts_that_fit_the_memory_limit(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = 128 * COLS if memory.stored.task.takes_rows_of_calls else COLS
    monkeypatch.setattr(sys.modules["harness.memory.stored"], "MAX_DECODED_BYTES", 2 * 4 * (128 * COLS + weights))
    assert memory.look(0) == ""
    assert memory.kernels.launched == (18 if memory.stored.task.takes_rows_of_calls else 17)
    memory.write(4, Y=np.ones((ROWS, COLS), np.float32))
    assert "in a secret sample" in memory.look(0)


def test_wrong_rows_of_one_call_are_found_and_the_sample_stays_secret(memory: Memory) -> None:
    lazy = np.ones((ROWS, COLS), np.float32)
    memory.write(3, Y=lazy)
    assert "in a secret sample" in memory.look(0)
    assert "64,000 elements of Y are wrong" in memory.look(0, sets=range(3, 4), full=True)
    assert memory.look(0, sets=range(3)) == ""


def test_each_call_is_compared_with_the_reference_of_its_own_inputs(memory: Memory) -> None:
    other = memory.outputs[int(memory.layout.offsets[0, 2]) :][: 2 * ROWS * COLS].view(np.uint16)
    memory.write(1, Y=floats(other).reshape(ROWS, COLS))
    assert "elements of Y are wrong" in memory.look(0)


def test_one_reference_serves_several_calls_if_the_task_accepts_their_rows_together(memory: Memory) -> None:
    assert TASK.takes_rows_of_calls
    memory.look(0)
    assert (memory.kernels.launched <= 6) == memory.stored.task.takes_rows_of_calls


def test_honest_outputs_pass_if_the_joint_reference_is_wrong(memory: Memory) -> None:
    task = memory.stored.task
    mixing = SimpleNamespace(
        tolerance=task.benchmark.tolerance,
        reference=lambda given, xp: {
            "Y": task.benchmark.reference(given, xp)["Y"] * (1 if given["W"].ndim == 1 else 2)
        },
    )
    memory.stored = replace(memory.stored, task=replace(task, benchmark=mixing))
    assert memory.look(0) == ""
    memory.write(2, Y=np.ones((ROWS, COLS), np.float32))
    assert "in a secret sample" in memory.look(0)


def test_a_reference_that_mixes_rows_of_calls_is_computed_per_call(tmp_path: Path) -> None:
    shutil.copytree(TASK.folder, tmp_path / "task")
    file = tmp_path / "task" / "benchmark.py"
    for change in ("* (weight - weight.mean())", "* (weight - weight.mean()) * xp.float32(1e-5)", "@ xp.diag(weight)"):
        file.write_text((TASK.folder / "benchmark.py").read_text().replace("* weight}", f"{change}}}"))
        assert not benchmark_check.load(tmp_path / "task").takes_rows_of_calls
