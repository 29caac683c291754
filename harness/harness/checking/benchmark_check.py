"""A task's benchmark.py tried on its smallest case before anything is measured: the author's mistake is one line.

The one place that catches whatever somebody's Python raises, because it may raise anything.
"""

import math
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from harness import task as tasks
from harness.checking import inputs, room, verify
from harness.contract import KEY_DIGITS
from harness.errors import TaskFault
from harness.task import Arrays, Case, Task

FILE = "benchmark.py"
SAME = 1e-4
"""Sums of other lengths are rounded in another order."""
T = TypeVar("T")


def load(folder: Path) -> Task:
    """The task, once its benchmark.py has shown that it works.

    Raises:
        TaskFault: it does not, this machine lacks the memory, or task.toml is not what the agent checked.
    """
    for name in ("task.toml", FILE):
        if not (folder / name).is_file():  # a named pipe would be waited for
            raise TaskFault(f"{name}: not a file")
    task = _tried(lambda: tasks.load(folder))
    if task.device == "cpu":
        room.check(task, free_bytes=room.free_bytes())
    needed = ("reference", "tolerance", "bytes" if task.unit == "dram" else "flops")
    for name in needed:
        if not callable(getattr(task.benchmark, name, None)):
            raise TaskFault(f"{FILE}: no function {name}; it needs {', '.join(needed)}")
    smallest = min(task.cases, key=lambda case: math.prod(case.sizes.values()))
    _try_reference(task, smallest)
    for case in task.cases:
        _try_figures(task, case)
    return replace(task, takes_rows_of_calls=bool(task.check.independent) and _takes_rows_of_calls(task, smallest))


def _try_reference(task: Task, case: Case) -> None:
    given = _given(task, case, key="0" * KEY_DIGITS)
    found = _tried(lambda: {name: np.shape(array) for name, array in task.reference(given).items()})
    wanted = {b.name: tuple(case.sizes[d] for d in b.shape) for b in task.buffers if b.is_output}
    if found != wanted:
        raise TaskFault(f"{FILE}: reference returns {found} in case {case.name}; the outputs are {wanted}")
    if task.check.independent:
        _try_independence(task, case, given=given)


def _given(task: Task, case: Case, *, key: str) -> Arrays:
    try:
        given = {b.name: np.empty(b.shape_in(case.sizes), _decoded(b.dtype)) for b in task.buffers if not b.is_output}
    except (ValueError, MemoryError) as error:
        raise TaskFault(f"task.toml: case {case.name} does not fit in memory: {error}") from error
    inputs.fill(task, case, views=given, rng=inputs.generator(key))
    return given


def _try_independence(task: Task, case: Case, *, given: Arrays) -> None:
    """Every second row by itself, the last one first, must give what it gives among all."""
    rows, size = np.arange(case.sizes[task.check.independent])[::-2], task.check.independent
    among_all = verify.cut_to(task, rows, arrays=task.reference(given))
    if not _are_alike(_tried(lambda: task.reference(verify.cut_to(task, rows, arrays=given))), among_all):
        outputs = ", ".join(among_all)
        raise TaskFault(f"task.toml: check.independent: rows of {outputs} along {size} depend on one another")


def _takes_rows_of_calls(task: Task, case: Case) -> bool:
    """See Task.takes_rows_of_calls; by two calls."""
    calls = [_given(task, case, key=key * KEY_DIGITS) for key in "12"]
    wanted = verify.joined(task, [task.reference(call) for call in calls])
    try:
        return _tried(lambda: _are_alike(task.reference(verify.joined(task, calls)), wanted))
    except TaskFault:
        return False


def _are_alike(found: Arrays, wanted: Arrays) -> bool:
    return all(
        np.shape(found[name]) == values.shape
        and np.allclose(found[name], values, rtol=SAME, atol=SAME * float(np.sqrt(np.mean(np.square(values)))))
        for name, values in wanted.items()
    )


def _decoded(dtype: str) -> str:
    """What a reference is given: types that numpy does not know arrive as float32."""
    return dtype if hasattr(np, dtype) else "float32"


def _try_figures(task: Task, case: Case) -> None:
    work = _tried(lambda: float(task.work(case)))
    if not (math.isfinite(work) and work > 0):
        raise TaskFault(f"{FILE}: {'bytes' if task.unit == 'dram' else 'flops'} is {work} in case {case.name}")
    _tried(lambda: task.tolerance(case))


def _tried(work: Callable[[], T]) -> T:
    """What the task's own code returns. Raises TaskFault: it raised, and where."""
    try:
        return work()
    except TaskFault:
        raise
    except (Exception, SystemExit) as error:
        raise _fault(error) from error


def _fault(error: BaseException) -> TaskFault:
    if isinstance(error, SyntaxError):
        return TaskFault(f"{FILE}:{error.lineno}: {error.msg}")
    line = _line(error)
    return TaskFault(f"{FILE}{f':{line}' if line else ''}: {type(error).__name__}: {_words(error)}")


def _words(error: BaseException) -> str:
    """Return an exception's text; its own class may raise where it is asked."""
    try:
        return str(error)
    except Exception as fault:  # noqa: BLE001 (somebody's class may raise anything)
        return f"its text raises {type(fault).__name__}"


def _line(error: BaseException) -> int | None:
    """The line of benchmark.py in which it was raised, or that led there."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if Path(frame.filename).name == FILE), None)
