"""The peaks of a CPU core by unit, and what a task whose unit is memory is held to."""

import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from harness import task as tasks
from harness.contract import FACTS
from harness.devices import machine
from harness.devices.cpu import PACE, CpuDevice
from harness.errors import TaskFault
from harness.judging import measurement
from harness.judging.calibration import Calibration
from harness.judging.judgement import Timed
from harness.judging.open_task import OpenTask
from harness.memory.cpu import CACHE_MULTIPLE, CacheFlush, CpuMemory
from harness.memory.layout import lay_out
from harness.sandbox import launcher as sandbox
from harness.task import Task
from harness.timing.failure import CandidateFailed
from harness.timing.score import BatchTime, Score
from kernelsmith import paths

UNITS = FACTS["devices"]["cpu"]["units"]
PEAK = 1e10
MIB = 1 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where trusted programs are built."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def device(folder: Path) -> CpuDevice:
    """This machine's CPU, before any peak is measured."""
    return CpuDevice(folder, isolation=sandbox.probe(), cores=machine.split_cores())


@pytest.fixture
def softmax() -> Task:
    """A task whose unit is memory."""
    return tasks.load(paths.tasks_folder() / "cpu_softmax")


def test_the_units_of_the_contract_are_those_that_have_a_probe() -> None:
    assert list(machine.PROBES) == UNITS


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_of_a_cpu_has_a_probe_that_prints_positive_figures(unit: str, folder: Path) -> None:
    figures = machine.measure_peak(unit, folder, core=machine.split_cores().worker, seconds=0.1)
    assert len(figures) >= 5
    assert all(math.isfinite(figure) and figure > 0 for figure in figures)


@pytest.mark.parametrize("unit", UNITS)
def test_only_the_unit_of_the_task_is_probed_and_its_fastest_probe_is_the_peak(unit: str, device) -> None:
    device.calibrate(unit, seconds=0.1)
    assert list(device._peaks) == [unit]
    assert device.peak(unit) == max(device._peaks[unit])
    assert f"probes of {unit}" in device.details()["peak_probes"]


def test_a_rate_above_the_ceiling_makes_the_cpu_probe_that_unit_again(device) -> None:
    device.calibrate("dram", seconds=0.1)
    before = len(device._peaks["dram"])
    assert device.ceiling("dram", suspected=0.0) > device.peak("dram")
    assert len(device._peaks["dram"]) == before
    device.ceiling("dram", suspected=1e18)
    assert machine.split_cores().shared or len(device._peaks["dram"]) > before
    assert list(device._peaks) == ["dram"]


def test_the_spread_without_a_vendor_line_comes_from_the_units_own_probe(device) -> None:
    rates = device.probe_rates("dram", processes=2)
    assert len(rates) == 2
    assert all(0 < rate < 1e12 for rate in rates), "bytes a second of one core, not FLOP/s of another probe"


def test_a_unit_that_a_cpu_has_no_peak_for_is_refused_with_those_it_has(device) -> None:
    with pytest.raises(TaskFault, match="unit bf16: a cpu is measured in fp32, dram so far"):
        device.calibrate("bf16", seconds=0.1)


# --- where a batch starts, and what a cache may keep ----------------------------------------------------------------


class Counted(CacheFlush):
    """A cache flush that counts how often the cache was emptied."""

    def __init__(self, cache_bytes: int) -> None:
        super().__init__(cache_bytes)
        self.times = 0

    def empty(self) -> None:
        """Count the call, and empty the cache."""
        self.times += 1
        super().empty()


@pytest.mark.parametrize(("unit", "times"), [("dram", 1), ("fp32", 0)])
def test_the_cache_is_emptied_after_outputs_are_poisoned_where_the_unit_is_memory(softmax, unit, times) -> None:
    task, cache_flush = replace(softmax, unit=unit), Counted(MIB)
    case = next(case for case in task.cases if case.name == "short")
    layout = lay_out(task, case, sets=1)
    memory = CpuMemory(
        input_bytes=layout.input_bytes, output_bytes=layout.output_bytes, cache_flush=cache_flush, slots=1
    )
    memory.operands(task, case, sets=1).region(range(1), slot=0).poison(0x7FC00001)
    assert cache_flush.times == times
    assert (cache_flush._array is not None and cache_flush._array.nbytes >= CACHE_MULTIPLE * MIB) is (times == 1)
    memory.close()


def opened(task: Task, *, cache_bytes: int) -> OpenTask:
    """A task on a device whose honest rates end at PEAK."""
    device = SimpleNamespace(cache_bytes=cache_bytes, peak=lambda unit: PEAK, ceiling=lambda unit, suspected: PEAK)
    calibration = Calibration("a core", datetime.now(UTC), PEAK, {})
    return OpenTask(task, device, memory=None, pace=PACE, calibration=calibration)


def timed(task: Task, *, rate: float, calls: int = 1) -> Timed:
    """What was timed of a candidate that does the task's work at a rate."""
    case = task.timed[0]
    call_s = task.work(case) / rate
    batches = [BatchTime(call_s, calls, "0" * 32)] * 3
    return Timed({case.name: batches}, {case.name: Score(call_s, call_s, call_s)}, call_s)


@pytest.mark.parametrize(
    ("unit", "rate", "cache_bytes", "calls", "is_accused"),
    [
        ("dram", 0.99, 1, 1, False),
        ("dram", 1.01, 1, 1, True),
        ("dram", 1.99, 16 * MIB, 1, False),  # all of Y may still be in the cache, X cannot
        ("dram", 2.01, 256 * MIB, 1, True),
        ("dram", 1.3, 8 * MIB, 1, False),
        ("dram", 1.3, 8 * MIB, 8, True),  # of a batch of 256 MiB the cache keeps 8
        ("fp32", 1.01, 256 * MIB, 1, True),
    ],
)
def test_outputs_that_a_cache_may_keep_are_not_held_against_the_bandwidth(
    softmax, unit, rate, cache_bytes, calls, is_accused
) -> None:
    task = replace(softmax, unit=unit)
    found = timed(task, rate=rate * PEAK, calls=calls)
    if is_accused:
        with pytest.raises(CandidateFailed, match="which this device cannot reach"):
            measurement.refuse_impossible_rates(opened(task, cache_bytes=cache_bytes), found)
    else:
        measurement.refuse_impossible_rates(opened(task, cache_bytes=cache_bytes), found)


def test_the_sets_of_the_shipped_task_exceed_five_times_a_cache_of_32_mebibytes(softmax) -> None:
    one = lay_out(softmax, softmax.timed[0], sets=1)
    assert PACE.max_bytes // (one.input_bytes + one.output_bytes) * (one.input_bytes + one.output_bytes) > 160 * MIB
    assert np.prod([softmax.timed[0].sizes[name] for name in softmax.size_names]) * 4 == 16 * MIB
