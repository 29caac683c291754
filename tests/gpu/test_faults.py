"""What a GPU candidate can do wrong: the right verdict each time, the judge alive, memory returned, the next clean."""

import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.task_folder import load_task
from kernelsmith.core.verdict import Status, Verdict
from kernelsmith.judge_client.harness import HarnessProcess

pytestmark = pytest.mark.gpu

TASK = load_task(Path(__file__).parent / "faults")
GOOD = TASK.skeleton.source
MOST_LEFT_BYTES = 1 << 30
"""What the judge's own pool may grow by; a worker's context alone takes half of it, the faults below far more."""


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HarnessProcess]:
    with HarnessProcess(TASK, folder=tmp_path_factory.mktemp("harness")) as process:
        process.open()
        yield process


def with_fault(*, kernel: str = "", host: str = "") -> Candidate:
    source = GOOD.replace("/* KERNEL FAULT */", kernel).replace("/* HOST FAULT */", host)
    return Candidate(source, Language.CUDA)


def used_bytes() -> int:
    """Device memory in use, by NVML: no context of ours takes part."""
    nvml, handle = ctypes.CDLL("libnvidia-ml.so.1"), ctypes.c_void_p()
    assert nvml.nvmlInit_v2() == 0
    assert nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle)) == 0
    memory = (ctypes.c_ulonglong * 3)()
    assert nvml.nvmlDeviceGetMemoryInfo(handle, memory) == 0
    return memory[2]


def judged(harness: HarnessProcess, candidate: Candidate) -> Verdict:
    return harness.submit(candidate, None).result()


FAULTS = {
    "a kernel that never ends": (
        with_fault(kernel="while (*(volatile int *)C == *(volatile int *)C || true) {}"),
        Status.TIMED_OUT,
        "deadline",
    ),
    "an illegal address": (with_fault(kernel="C[1ull << 40] = sum;"), Status.CRASHED, "CUDA_ERROR_ILLEGAL_ADDRESS"),
    "a trap": (with_fault(kernel="__trap();"), Status.CRASHED, "CUDA error"),
    "a launch that fails": (with_fault(host="threads = dim3(64, 64);"), Status.CRASHED, "CUDA_ERROR_INVALID"),
    "more memory than there is": (
        with_fault(host="void *p; if (cudaMalloc(&p, 1ull << 42) != cudaSuccess) { return; }"),
        Status.CRASHED,
        "CUDA_ERROR_OUT_OF_MEMORY",
    ),
    "more memory than is allowed": (
        with_fault(host="static void *p; if (!p) cudaMalloc(&p, 20ull << 30);"),
        Status.CRASHED,
        "of device memory",
    ),
    "a worker that dies in a batch": (
        with_fault(host="static int calls; if (++calls == 4) __builtin_trap();"),
        Status.CRASHED,
        "SIGILL",
    ),
    "an output that is never written": (with_fault(kernel="if (row == 7) return;"), Status.INCORRECT, "never written"),
    "inputs that are changed": (
        with_fault(kernel="if (row == 0) ((__nv_bfloat16 *)A)[column % K] = __float2bfloat16(0.0f);"),
        Status.TAMPERED,
        "inputs were changed",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_has_its_verdict_and_leaves_nothing_behind(harness: HarnessProcess, name: str) -> None:
    candidate, status, said = FAULTS[name]
    pid, before = harness.pid, used_bytes()
    verdict = judged(harness, candidate)
    assert (verdict.status, verdict.detail) == (status, verdict.detail)
    assert said in verdict.detail
    assert harness.pid == pid
    assert used_bytes() - before < MOST_LEFT_BYTES


def test_after_all_faults_a_good_kernel_passes(harness: HarnessProcess) -> None:
    verdict = judged(harness, with_fault())
    assert verdict.status is Status.PASSED, verdict.detail
    assert verdict.facts.registers
    assert verdict.measurement is not None
    assert verdict.measurement.utilization_at_clock is not None
    assert {"sm_clock_mhz", "power_w"} <= set(verdict.batches[0].telemetry)
