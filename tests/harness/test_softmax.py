"""cpu_softmax through a real judge: its families pass, its skeleton does not, and its figures are bytes over time."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelsmith import paths
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.task import Task
from kernelsmith.core.task_folder import find_task, load_task
from kernelsmith.core.verdict import Status, Verdict
from kernelsmith.judge_client.harness import HarnessProcess

ROWS, COLS = 64, 256
OVERFLOWS = """
#include <math.h>
void softmax(const float *X, float *Y, int ROWS, int COLS)
{
    for (long r = 0; r < ROWS; r++) {
        float sum = 0;
        for (long c = 0; c < COLS; c++)
            sum += Y[r * COLS + c] = expf(X[r * COLS + c]);
        for (long c = 0; c < COLS; c++)
            Y[r * COLS + c] /= sum;
    }
}
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """cpu_softmax with a main case that is judged in a moment, and whose sets fit into any cache."""
    folder = tmp_path_factory.mktemp("task") / "softmax"
    shutil.copytree(paths.tasks_folder() / "cpu_softmax", folder)
    text = (folder / "task.toml").read_text()
    text, count = re.subn(r"ROWS = 1024, COLS = 4096", f"ROWS = {ROWS}, COLS = {COLS}", text)
    assert count == 1
    (folder / "task.toml").write_text(text)
    return load_task(folder)


@pytest.fixture(scope="module")
def judge(small: Task, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HarnessProcess]:
    """One judge for this file."""
    with HarnessProcess(small, folder=tmp_path_factory.mktemp("harness"), calibration_s=0.3) as process:
        yield process


def verdict_on(judge: HarnessProcess, source: str) -> Verdict:
    return judge.submit(Candidate(source, Language.C), None).result()


def test_a_task_of_a_cpu_may_be_measured_in_bytes_and_have_no_vendor_line(judge) -> None:
    device = judge.open()
    assert (device.unit, device.vendor) == ("dram", None)
    assert 0 < device.peak < 1e12
    assert "probes of dram" in device.details["peak_probes"]
    assert device.spread > 0


@pytest.mark.parametrize("family", find_task("cpu_softmax").families, ids=lambda path: Path(path).stem)
def test_a_family_passes_with_the_values_it_ships_with(judge, family) -> None:
    verdict = verdict_on(judge, Path(family).read_text())
    assert verdict.status is Status.PASSED, verdict.detail
    found = verdict.measurement
    assert found is not None
    assert found.utilization == pytest.approx(8 * ROWS * COLS / (found.time_us * 1e-6) / found.peak)
    assert found.vendor_ratio is None


def test_the_skeleton_is_wrong_from_its_second_row_on(judge, small) -> None:
    verdict = verdict_on(judge, small.skeleton.source)
    assert verdict.status is Status.INCORRECT
    assert f"rows 1 to {ROWS - 1} of {ROWS}" in verdict.detail


def test_exponentials_that_overflow_are_wrong_in_a_hidden_case(judge) -> None:
    verdict = verdict_on(judge, OVERFLOWS)
    assert verdict.status is Status.INCORRECT
    assert "widely different magnitude" in verdict.detail
