"""The single-call audit on a GPU: who needs company is found out, who only launches slowly is not accused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.task_folder import load_task
from kernelsmith.core.verdict import Status
from kernelsmith.judge_client.harness import HarnessProcess

pytestmark = pytest.mark.gpu

TASK = load_task(Path(__file__).parent / "faults")
ACCUSED = "scored by its single calls"
LAUNCHES_SLOWLY = """
    timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - start.tv_sec) * 1000000000L + now.tv_nsec - start.tv_nsec < 300000);
"""


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HarnessProcess]:
    with HarnessProcess(TASK, folder=tmp_path_factory.mktemp("harness")) as process:
        process.open()
        yield process


def test_a_host_that_takes_long_to_launch_is_not_held_against_a_kernel(harness: HarnessProcess) -> None:
    source = "#include <time.h>\n" + TASK.skeleton.source.replace("/* HOST FAULT */", LAUNCHES_SLOWLY)
    verdict = harness.submit(Candidate(source, Language.CUDA), None).result()
    assert verdict.status is Status.PASSED, verdict.detail
    assert verdict.measurement is not None
    assert verdict.measurement.single_us is not None
    assert not any(ACCUSED in note for note in verdict.notes), verdict.notes
