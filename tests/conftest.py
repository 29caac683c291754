"""Fixtures of every test: the small task, and one judge for a whole session."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kernelsmith.bench.harness import HarnessProcess
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.run import Device
from kernelsmith.core.task import Task
from kernelsmith.core.task_folder import load_task
from kernelsmith.core.verdict import Verdict

pytest_plugins = ["endpoints"]

HERE = Path(__file__).parent

SIGNATURE = "void matmul(const float *A, const float *B, float *C, int M, int N, int K)"

HONEST_BODY = """
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            float sum = 0;
            for (int k = 0; k < K; k++)
                sum += A[i * K + k] * B[j * K + k];
            C[i * N + j] = sum;
        }
"""


@pytest.fixture(scope="session")
def small_task() -> Task:
    """A 64^3 product: an attempt takes well under a second."""
    return load_task(HERE / "tasks" / "small_matmul")


class OpenHarness:
    """A judge that is open on a task, with the device it found."""

    def __init__(self, process: HarnessProcess) -> None:
        self.process = process
        self.device: Device = process.open()

    def evaluate(self, source: str) -> Verdict:
        """The verdict on a C source without an incumbent."""
        return self.process.submit(Candidate(source, Language.C), None).result()


@pytest.fixture(scope="session")
def harness(small_task: Task, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenHarness]:
    """One judge for all tests that do not harm it."""
    with HarnessProcess(small_task, folder=tmp_path_factory.mktemp("harness"), calibration_s=0.3) as process:
        yield OpenHarness(process)


@pytest.fixture
def matmul_with() -> Callable[..., str]:
    """Source of a matmul whose body is given; `honest` stands for three plain loops."""

    def write(body: str, *, before: str = "") -> str:
        unused = "(void)A, (void)B, (void)C, (void)M, (void)N, (void)K;"
        return f"{before}\n{SIGNATURE}\n{{\n{unused}\n{body.replace('honest;', HONEST_BODY)}\n}}\n"

    return write
