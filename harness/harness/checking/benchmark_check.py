"""Call the functions of a task's benchmark.py on small inputs before anything is measured, and say in one line what its
author must fix.

This module catches every exception of the author's code, because that code may raise anything.
"""

import math
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import SupportsFloat, TypeVar

import numpy as np

from harness import task as tasks
from harness.checking import inputs, room, verify
from harness.contract import KEY_DIGITS
from harness.errors import TaskFault
from harness.task import Arrays, Case, Task, Tolerance

FILE = "benchmark.py"
SAME = 1e-4
"""Relative difference up to which two results of a reference count as equal; rounding depends on the batch's shape."""
Shapes = Mapping[str, tuple[int, ...]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Function:
    """A function that the judge calls in a task's benchmark.py, described for error messages: `signature`, its head as
    Python code, and `returns`, its return value in words.
    """

    signature: str
    returns: str


FUNCTIONS = {
    "reference": Function("reference(inputs, xp)", "a dict with the array of every output"),
    "tolerance": Function("tolerance(case)", "a dict with max_element and rms, and if needed mismatch and coarse"),
    "flops": Function("flops(case)", "the arithmetic operations of one call, a number above 0"),
    "bytes": Function("bytes(case)", "the bytes that one call moves, a number above 0"),
    "inputs": Function("inputs(case, rng, xp)", "a dict with the array of every input"),
}
"""The functions of benchmark.py by name. `inputs` is optional; the judge calls `bytes` or `flops` as the unit says."""


def load(folder: Path) -> Task:
    """Read a task folder, call the functions of its benchmark.py as a check, and return the task. Raises TaskFault, one
    line, if a file is missing or wrong, if benchmark.py raises or returns a value of a wrong type or shape, or if this
    machine lacks the memory for a case.

    The reference runs on the smallest case, tolerance and work on every case.
    """
    for name in ("task.toml", FILE):
        if not (folder / name).is_file():  # opening a named pipe would block
            raise TaskFault(f"{name}: not a file")
    task = _imported(folder)
    if task.device == "cpu":
        room.check(task, free_bytes=room.free_bytes())
    for name in ("reference", "tolerance", work_function(task)):
        _require_function(task.benchmark, name)
    smallest = min(task.cases, key=lambda case: math.prod(case.sizes.values()))
    _try_reference(task, smallest)
    for case in task.cases:
        _try_work(task, case)
        _try_tolerance(task, case)
    return replace(task, takes_rows_of_calls=bool(task.check.independent) and _takes_rows_of_calls(task, smallest))


def work_function(task: Task) -> str:
    """Return the name of the function of benchmark.py that counts the work of a call: `bytes` if the task's unit is
    `dram`, else `flops`.
    """
    return "bytes" if task.unit == "dram" else "flops"


def _imported(folder: Path) -> Task:
    try:
        return tasks.load(folder)
    except TaskFault:
        raise
    except SyntaxError as error:
        raise TaskFault(f"{FILE}:{error.lineno}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        raise TaskFault(f"{_place(error)}: {_words(error)}") from error


def _require_function(benchmark: ModuleType, name: str) -> None:
    if not callable(getattr(benchmark, name, None)):
        function = FUNCTIONS[name]
        raise TaskFault(f"{FILE}: no function {function.signature}; it must return {function.returns}")


def _try_reference(task: Task, case: Case) -> None:
    arrays = _inputs(task, case, key="0" * KEY_DIGITS)
    returned = _called(task, "reference", case, lambda: task.reference(arrays))
    outputs = {buffer.name: buffer.shape_in(case.sizes) for buffer in task.buffers if buffer.is_output}
    _require_shapes(task, "reference", case, outputs, returned=returned)
    if task.check.independent:
        _try_independence(task, case, arrays=arrays)


def _inputs(task: Task, case: Case, *, key: str) -> Arrays:
    """Return one set of inputs of a case as a dict of numpy arrays by name, drawn from `key` (hexadecimal digits) in
    the types that a reference receives. Raises TaskFault if they do not fit in memory, or if the function `inputs` of
    benchmark.py is wrong.
    """
    buffers = [buffer for buffer in task.buffers if not buffer.is_output]
    try:
        views = {b.name: np.empty(b.shape_in(case.sizes), _decoded(b.dtype)) for b in buffers}
    except (ValueError, MemoryError) as error:
        raise TaskFault(f"task.toml: case {case.name} does not fit in memory: {error}") from error
    rng = inputs.generator(key)
    if hasattr(task.benchmark, "inputs"):
        arrays = _called(task, "inputs", case, lambda: task.benchmark.inputs(case.sizes, rng, np))
        _require_shapes(task, "inputs", case, {b.name: b.shape_in(case.sizes) for b in buffers}, returned=arrays)
        rng = inputs.generator(key)
    _called(task, "inputs", case, lambda: inputs.fill(task, case, views=views, rng=rng))
    return views


def _try_independence(task: Task, case: Case, *, arrays: Arrays) -> None:
    """Check that the task's rows are independent, as task.toml claims: the reference must compute the same results for
    every second row, in reverse order, as for these rows among all rows. `arrays` are the inputs of all rows by name.
    Return nothing. Raises TaskFault if results differ.
    """
    rows, size = np.arange(case.sizes[task.check.independent])[::-2], task.check.independent
    among_all = verify.cut_to(task, rows, arrays=task.reference(arrays))
    apart = _called(task, "reference", case, lambda: task.reference(verify.cut_to(task, rows, arrays=arrays)))
    if not _are_alike(apart, among_all):
        outputs = ", ".join(among_all)
        raise TaskFault(f"task.toml: check.independent: rows of {outputs} along {size} depend on one another")


def _takes_rows_of_calls(task: Task, case: Case) -> bool:
    """Return whether one call of the task's reference can compute several calls at once, which saves time: True if,
    given the rows of two calls joined into one, it returns the joined results of both calls. False also if the
    reference raises.
    """
    calls = [_inputs(task, case, key=key * KEY_DIGITS) for key in "12"]
    expected = verify.joined(task, [task.reference(call) for call in calls])
    try:
        joined = _called(task, "reference", case, lambda: task.reference(verify.joined(task, calls)))
        return _called(task, "reference", case, lambda: _are_alike(joined, expected))
    except TaskFault:
        return False


def _are_alike(arrays: Arrays, expected: Arrays) -> bool:
    return all(
        np.shape(arrays[name]) == values.shape
        and np.allclose(arrays[name], values, rtol=SAME, atol=SAME * float(np.sqrt(np.mean(np.square(values)))))
        for name, values in expected.items()
    )


def _decoded(dtype: str) -> str:
    """Return the name of the numpy type in which a reference receives inputs of the element type `dtype`: the same
    name, or `float32` if numpy lacks the type.
    """
    return dtype if hasattr(np, dtype) else "float32"


def _try_work(task: Task, case: Case) -> None:
    name = work_function(task)
    work: object = _called(task, name, case, lambda: task.work(case))
    if not 0 < _called(task, name, case, lambda: _number(work)) < math.inf:
        raise _returned(task, name, case, _value(work))


def _try_tolerance(task: Task, case: Case) -> None:
    if case.data == "small_integers":
        return
    values = _called(task, "tolerance", case, lambda: task.benchmark.tolerance(case.sizes))
    if not isinstance(values, Mapping):
        raise _returned(task, "tolerance", case, _value(values))
    known = {field.name for field in fields(Tolerance)}
    if not {"max_element", "rms"} <= values.keys() <= known:
        raise _returned(task, "tolerance", case, f"the keys {', '.join(map(str, values)) or 'none'}")
    for name, value in values.items():
        if not 0 <= _number(value) < math.inf:
            returned = f"{name} = {_value(value)}"
            raise _returned(task, "tolerance", case, returned, wanted="numbers of at least 0")


def _number(value: SupportsFloat | object) -> float:
    """Return `value`, a number of Python or of an array library, as a float; return NaN for anything that is not a
    number, so that comparisons with it fail.
    """
    return float(value) if isinstance(value, SupportsFloat) else math.nan


def _require_shapes(task: Task, function: str, case: Case, expected: Shapes, *, returned: object) -> None:
    if not isinstance(returned, Mapping):
        raise _returned(task, function, case, _value(returned))
    shapes = _called(task, function, case, lambda: {name: np.shape(array) for name, array in returned.items()})
    if shapes != expected:
        raise _returned(task, function, case, _shape_words(shapes), wanted=_shape_words(expected))


def _shape_words(shapes: Shapes) -> str:
    return ", ".join(f"{name} of shape {list(shape)}" for name, shape in shapes.items()) or "no array"


# --- faults ---------------------------------------------------------------------------------------------------------


def _called(task: Task, function: str, case: Case, work: Callable[[], T]) -> T:
    """Call `work`, a function without arguments that calls the function named `function` of benchmark.py for `case`,
    and return its result. If the call raises anything, raises TaskFault with the line of benchmark.py and what the
    function must return.
    """
    try:
        return work()
    except TaskFault:
        raise
    except (Exception, SystemExit) as error:
        must = f"{FUNCTIONS[function].signature} must return {FUNCTIONS[function].returns}"
        place = _place(error, otherwise=_definition(task, function))
        raise TaskFault(f"{place}: {_words(error)} in case {case.name}; {must}") from error


def _returned(task: Task, function: str, case: Case, value: str, *, wanted: str = "") -> TaskFault:
    """Return (not raise) the TaskFault which says that the function named `function` of benchmark.py returned a wrong
    value in a case. `value` is the returned value in words; `wanted` is the right one, or empty for the description in
    FUNCTIONS.
    """
    must = f"it must return {wanted or FUNCTIONS[function].returns}"
    return TaskFault(f"{_definition(task, function)}: {function} returns {value} in case {case.name}; {must}")


def _value(value: object) -> str:
    """Return a number or a short text as Python code for an error message, any other value as its type: `a list`."""
    return f"{value!r:.40}" if value is None or isinstance(value, Real | str) else f"a {type(value).__name__}"


def _definition(task: Task, function: str) -> str:
    """Return where a function of benchmark.py begins, as `benchmark.py:12`; only `benchmark.py` if another file defines
    the function.
    """
    code = getattr(getattr(task.benchmark, function), "__code__", None)
    return f"{FILE}:{code.co_firstlineno}" if code and Path(code.co_filename).name == FILE else FILE


def _place(error: BaseException, *, otherwise: str = FILE) -> str:
    """Return the line of benchmark.py that raised the exception `error`, or that called the code that raised it, as
    `benchmark.py:12`, for an error message. Return the text `otherwise` if no line of benchmark.py took part.
    """
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.lineno for frame in reversed(frames) if Path(frame.filename).name == FILE), None)
    return f"{FILE}:{line}" if line else otherwise


def _words(error: BaseException) -> str:
    """Return the class and the message of an exception as text. If the exception's own code raises while its message is
    made, return the class names of both exceptions.
    """
    try:
        return f"{type(error).__name__}: {error}"
    except Exception as fault:  # noqa: BLE001 (the author's class may raise anything)
        return f"{type(error).__name__}, whose text raises {type(fault).__name__}"
