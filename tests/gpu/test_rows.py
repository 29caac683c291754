"""On a GPU: who leaves out rows of timed calls only is found by the secret sample of them."""

import pytest

from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.task_folder import find_task
from kernelsmith.core.verdict import Status
from kernelsmith.judge_client.harness import HarnessProcess

pytestmark = pytest.mark.gpu

TASK = find_task("hopper_rmsnorm")
KERNEL = TASK.families[-1].read_text(encoding="utf-8")
LAUNCH = "normalize<HELD><<<rows, "
CHECKS = len(TASK.cases)
"""Calls before the first batch."""


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory):
    with HarnessProcess(TASK, folder=tmp_path_factory.mktemp("harness")) as process:
        process.open()
        yield process


@pytest.mark.parametrize("part", [16, 1024])
def test_rows_that_are_left_out_after_the_checks_are_missed(harness: HarnessProcess, part: int) -> None:
    assert KERNEL.count(LAUNCH) == 1
    lazy = f"normalize<HELD><<<calls++ < {CHECKS} ? rows : rows - rows / {part}, "
    source = KERNEL.replace(LAUNCH, lazy).replace("namespace {", "static int calls;\n\nnamespace {", 1)
    verdict = harness.submit(Candidate(source, Language.CUDA), None).result()
    assert verdict.status is Status.INCORRECT, verdict.detail
    assert "secret sample" in verdict.detail


def test_the_honest_kernel_passes(harness: HarnessProcess) -> None:
    verdict = harness.submit(Candidate(KERNEL, Language.CUDA), None).result()
    assert verdict.status is Status.PASSED, verdict.detail
