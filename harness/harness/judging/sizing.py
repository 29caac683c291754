"""Allocate the memory of a task, large enough for the fastest kernel that physics allows, and measure the cost of one
operand set (the inputs and outputs of one call).
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from harness.checking import inputs
from harness.contract import TIMING
from harness.devices import Device
from harness.judging.calibration import Calibration
from harness.judging.open_task import OpenTask
from harness.memory import Memory, OperandSets, OutputCheck
from harness.memory.layout import lay_out, sets_that_fit
from harness.task import Case, Task
from harness.timing.clock import Clock
from harness.timing.plan import Planner

SETS_MEASURED: int = TIMING["calibration"]["sets_measured"]
"""Number of operand sets whose refresh and verification are timed together, so that the cost of work done once per
batch is spread over them."""
FASTEST_PILOT_S: float = TIMING["calibration"]["fastest_pilot_s"]
"""Seconds per call, less than any kernel takes. A plan for this pilot holds the most calls that the device's ceiling
allows."""


class Sizing:
    """Works out how much memory the cases of one task need on one device, enough for the batches of the fastest kernel
    that physics allows, and allocates it. `opening.open_task` makes one and calls `opened`.
    """

    def __init__(self, task: Task, device: Device) -> None:
        self._task, self._device = task, device
        self._pace = device.pace(task)

    def opened(self) -> OpenTask:
        """Allocate the memory and return the open task. Its calibration holds only the peak and, by case, the seconds
        to refresh one operand set (inputs and outputs of one call). Raises MemoryError, OSError or an exception of CUDA
        if the memory cannot be allocated.
        """
        task, device = self._task, self._device
        set_s = {case.name: self._set_s(replace(case, data="normal")) for case in task.timed}
        layouts = [lay_out(task, case, sets=1) for case in task.cases]
        layouts += [lay_out(task, case, sets=self._most_sets(case, set_s[case.name])) for case in task.timed]
        memory = device.memory(
            input_bytes=max(layout.input_bytes for layout in layouts),
            output_bytes=max(layout.output_bytes for layout in layouts),
        )
        calibration = Calibration(device.name, datetime.now(UTC), device.peak(task.unit), set_s)
        return OpenTask(task, device, memory, self._pace, calibration)

    def _most_sets(self, case: Case, set_s: float) -> int:
        """Return how many operand sets (inputs and outputs of one call each) a timed case needs for the fastest
        possible kernel. `set_s` is the time in seconds to refresh and verify one set; a costly set lowers the number.
        """
        planner = Planner(self._task, case, self._pace, set_s, self._device.cache_bytes)
        return planner.plan(FASTEST_PILOT_S, random_source=self._device.random_source).sets

    def _set_s(self, case: Case) -> float:
        """Measure and return the seconds to fill one operand set (inputs and outputs of one call) of a case with new
        inputs and to verify its outputs as after a timed call. Allocates memory for this and frees it again.
        """
        # The outputs are arbitrary, and describing their errors would take longer than verifying right outputs.
        device, task = self._device, replace(self._task, benchmark=AcceptAnyOutput(self._task.benchmark))
        sets = range(min(SETS_MEASURED, sets_that_fit(task, case, max_bytes=self._pace.max_bytes)))
        layout = lay_out(task, case, sets=len(sets))
        memory = device.memory(input_bytes=layout.input_bytes, output_bytes=layout.output_bytes, slots=1)
        operands = memory.operands(task, case, sets=len(sets))
        seconds = [_refresh_s(operands, sets, memory=memory, clock=device.clock) for _ in range(2)]
        del operands
        memory.close()
        # The first round also allocates and compiles, so only the second one counts.
        return seconds[-1] / len(sets)


def _refresh_s(operands: OperandSets, sets: range, *, memory: Memory, clock: Clock) -> float:
    """Return the seconds by `clock` to fill the inputs of the operand sets numbered `sets` (inputs and outputs of one
    call each), to take checksums if the device needs them, and to examine the outputs. Waits until the device has
    finished its work on `memory`.
    """
    start = clock.now_ns()
    operands.fill(sets, inputs.fresh_key())
    operands.seal(sets)
    operands.examine(sets, OutputCheck(0, 0, np.random.default_rng(0)))
    memory.settle()
    return (clock.now_ns() - start) * 1e-9


class AcceptAnyOutput:
    """Stands in for `benchmark`, a task's benchmark.py as a module, and passes every use on to it, except that its
    tolerance accepts every output. Sizing needs it to time the verification of outputs before any kernel has computed
    them.
    """

    def __init__(self, benchmark: Any) -> None:
        self._benchmark = benchmark

    def __getattr__(self, name: str) -> Any:
        return getattr(self._benchmark, name)

    def tolerance(self, sizes: Mapping[str, int]) -> dict[str, float]:
        """Return a dict of error bounds by kind of error, each so high that every output is accepted, whatever the
        sizes of the case are.
        """
        return {"max_element": math.inf, "rms": math.inf, "mismatch": 1.0, "coarse": 1.0}
