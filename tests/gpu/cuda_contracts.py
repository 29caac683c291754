"""The contracts of a device on the card: run by test_contracts.py in a process of its own."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from device_contracts import DeviceContract, MemoryContract, Rig, WorkerContract

from harness.checking import benchmark_check, inputs, verify
from harness.devices import machine
from harness.devices.cuda import CudaDevice
from harness.memory import OutputCheck
from harness.memory.layout import lay_out
from harness.sandbox import launcher as sandbox

TASK = Path(__file__).parents[1] / "tasks" / "small_gpu_matmul"
KERNEL = """
__global__ void product(const __nv_bfloat16 *A, const __nv_bfloat16 *B, __nv_bfloat16 *C, int M, int N, int K)
{
    const int j = blockIdx.x * blockDim.x + threadIdx.x, i = blockIdx.y;
    if (j >= N) return;
    float sum = 0;
    for (int k = 0; k < K; k++)
        sum += __bfloat162float(A[(size_t)i * K + k]) * __bfloat162float(B[(size_t)j * K + k]);
    C[(size_t)i * N + j] = __float2bfloat16(sum);
}
"""
HEAD = 'extern "C" void matmul(const __nv_bfloat16 *A, const __nv_bfloat16 *B, __nv_bfloat16 *C, int M, int N, int K, '
CALL = "product<<<dim3((N + 255) / 256, M), 256, 0, stream>>>(A, B, C, M, N, K);"
BODIES = {
    "honest": CALL,
    "wrong": CALL + " cudaMemsetAsync(C, 0, 64, stream);",
    "dies": "abort();",
    "hangs": "for (;;) {}",
    "broken": "this is no statement",
}


@pytest.fixture(scope="session")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CudaDevice]:
    """The one device of this process: a second one would take the first one's context for another program's."""
    cores = machine.split_cores()
    with machine.pin_judge(cores):
        yield CudaDevice(tmp_path_factory.mktemp("cache"), ordinal=0, isolation=sandbox.probe(), cores=cores)


class TestCudaDevice(DeviceContract, MemoryContract, WorkerContract):
    @pytest.fixture
    def rig(self, device: CudaDevice, tmp_path: Path) -> Rig:
        includes = "#include <cuda_bf16.h>\n#include <cstdlib>\n"
        sources = {
            word: f"{includes}{KERNEL}{HEAD}cudaStream_t stream)\n{{\n    {body}\n}}\n" for word, body in BODIES.items()
        }
        task = benchmark_check.load(TASK)
        return Rig(device, replace(task, limits=replace(task.limits, call_s=2.0)), sources, "cuda", tmp_path)


def store(place: int, values: Any) -> None:
    """Write values into device memory as bf16, rounded to the nearest."""
    import cupy

    bits = cupy.asarray(values, dtype="float32").view("uint32")
    words = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("uint16")
    words[~cupy.isfinite(cupy.asarray(values, dtype="float32"))] = 0x7FC0
    cupy.cuda.runtime.memcpy(place, words.data.ptr, words.nbytes, cupy.cuda.runtime.memcpyDeviceToDevice)


def far_off(product: Any) -> None:
    product[3, 5] += 50


def a_row_of_zeros(product: Any) -> None:
    product[-1] = 0


def not_a_number(product: Any) -> None:
    product[0, 0] = np.nan


def bits_dropped(product: Any) -> None:
    product.view(np.uint32)[...] &= 0xFFF80000


def slightly_off_everywhere(product: Any) -> None:
    product *= 1.004


def nothing(product: Any) -> None:
    """Leave honest work as it is."""


class TestOneRuleForHostAndCard:
    """The host's comparison (checking/verify.py) and the card's (memory/examiner.py) judge the same outputs alike."""

    @pytest.mark.parametrize(
        "spoil", [nothing, far_off, a_row_of_zeros, not_a_number, bits_dropped, slightly_off_everywhere]
    )
    def test_the_same_outputs_get_the_same_figures_and_the_same_verdict(self, device: CudaDevice, spoil: Any) -> None:
        import cupy

        task = benchmark_check.load(TASK)
        case = min((c for c in task.cases if c.data == "normal"), key=lambda c: math.prod(c.sizes.values()))
        layout = lay_out(task, case, sets=1)
        memory = device.memory(input_bytes=layout.input_bytes, output_bytes=layout.output_bytes, slots=1)
        operands = memory.operands(task, case, sets=1)
        operands.fill(range(1), inputs.fresh_key())
        stored = operands.stored(slot=0)
        decoded, places = stored.operands(0)
        given = {name: cupy.asnumpy(values) for name, values in decoded.items()}
        product = task.reference(given)["C"].astype(np.float32)
        spoil(product)
        store(int(places["C"]), product)
        made = stored.examiner.decoded(places["C"], product.shape, dtype="bfloat16")
        call = verify.Call(task, case, inputs=given, outputs={"C": cupy.asnumpy(made)})
        host, card = verify.measure(call)["C"], stored.measure(0)["C"]
        assert card.largest == pytest.approx(host.largest, rel=1e-3)
        assert card.rms == pytest.approx(host.rms, rel=1e-3)
        assert card.mismatch == pytest.approx(host.mismatch, abs=2e-3)
        assert (card.count, card.small) == (host.count, pytest.approx(host.small, rel=0.02))
        by_host = verify.compare(call, poison=0)
        by_card = operands.examine(range(1), OutputCheck(0, 0, np.random.default_rng(0), full=True))
        assert (by_host is None) == (by_card is None)
        assert (by_host is None) == (spoil is nothing)
        del operands, stored, decoded, made
        memory.close()
