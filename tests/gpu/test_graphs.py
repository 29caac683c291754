"""Kernels of a few microseconds are timed as CUDA graphs where their calls can be captured, and judged either way."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.task_folder import load_task
from kernelsmith.core.verdict import Duel, Status
from kernelsmith.judge_client.harness import HarnessProcess

pytestmark = pytest.mark.gpu

FAULTS = Path(__file__).parent / "faults"
GOOD = load_task(FAULTS).skeleton.source
NOTE = "each batch runs as a CUDA graph"
HOST = {
    "calls that can be captured": "",
    "a call that waits": "cudaStreamSynchronize(stream);",
    "a call that allocates": "void *p; cudaMalloc(&p, 1 << 20); cudaFree(p);",
}
ON_THE_DEFAULT_STREAM = ("threads, 0, stream>>>", "threads>>>")


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HarnessProcess]:
    folder = shutil.copytree(FAULTS, tmp_path_factory.mktemp("task") / "short")
    spec = folder / "task.toml"
    spec.write_text(spec.read_text().replace("M = 2048, N = 2048, K = 1024", "M = 128, N = 128, K = 32"))
    with HarnessProcess(load_task(folder), folder=tmp_path_factory.mktemp("harness")) as process:
        process.open()
        yield process


@pytest.mark.parametrize("name", HOST)
def test_short_calls_pass_whether_they_can_be_captured_or_not(harness: HarnessProcess, name: str) -> None:
    verdict = harness.submit(Candidate(GOOD.replace("/* HOST FAULT */", HOST[name]), Language.CUDA), None).result()
    assert verdict.status is Status.PASSED, verdict.detail
    if not HOST[name]:
        assert any(NOTE in note for note in verdict.notes)


def test_a_launch_on_another_stream_is_called_instead(harness: HarnessProcess) -> None:
    verdict = harness.submit(Candidate(GOOD.replace(*ON_THE_DEFAULT_STREAM), Language.CUDA), None).result()
    assert verdict.status is Status.PASSED, verdict.detail


def test_a_captured_call_that_leaves_out_its_work_is_found_out(harness: HarnessProcess) -> None:
    lazy = GOOD.replace("/* HOST FAULT */", "static int calls; if (++calls > 40) N = 32;")
    verdict = harness.submit(Candidate(lazy, Language.CUDA), None).result()
    assert verdict.status is Status.INCORRECT, verdict.detail


def test_short_kernels_fight_their_duels_as_graphs(harness: HarnessProcess) -> None:
    plain = Candidate(GOOD, Language.CUDA)
    twice = GOOD.replace("/* HOST FAULT */", "product<<<dim3(N / 32, M / 32), threads, 0, stream>>>(A, B, C, N, K);")
    fought = harness.duel(plain, Candidate(twice, Language.CUDA))
    assert isinstance(fought, Duel)
    assert fought.interval.low > 1.2
