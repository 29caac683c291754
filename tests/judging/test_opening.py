"""Sizing of a task's memory before its first candidate."""

import math
from dataclasses import replace

import numpy as np
import pytest

from harness import task as tasks
from harness.checking import verify
from harness.judging.sizing import AcceptAnyOutput
from kernelsmith import paths


@pytest.mark.parametrize("name", ["cpu_matmul", "hopper_rmsnorm"])
@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
def test_sizing_accepts_any_output(name: str, value: float) -> None:
    task = tasks.load(paths.tasks_folder() / name)
    task = replace(task, benchmark=AcceptAnyOutput(task.benchmark))
    usual = (case for case in task.cases if case.data == "normal")
    case = min(usual, key=lambda case: math.prod(case.sizes.values()))
    input_values = {b.name: np.ones(b.shape_in(case.sizes), np.float32) for b in task.buffers if not b.is_output}
    output_values = {b.name: np.full(b.shape_in(case.sizes), value, np.float32) for b in task.buffers if b.is_output}
    with np.errstate(all="ignore"):
        rng = np.random.default_rng(0)
        assert verify.check_timed(verify.Call(task, case, input_values, output_values), rng=rng, poison=0) is None
