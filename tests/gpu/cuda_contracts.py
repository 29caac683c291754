"""The contracts of a device on the card: run by test_contracts.py in a process of its own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from device_contracts import DeviceContract, MemoryContract, Rig, WorkerContract

from harness.checking import rehearsal
from harness.devices import machine
from harness.devices.cuda import CudaDevice
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
    with machine.take_place(cores):
        yield CudaDevice(tmp_path_factory.mktemp("cache"), ordinal=0, isolation=sandbox.probe(), cores=cores)


class TestCudaDevice(DeviceContract, MemoryContract, WorkerContract):
    @pytest.fixture
    def rig(self, device: CudaDevice, tmp_path: Path) -> Rig:
        includes = "#include <cuda_bf16.h>\n#include <cstdlib>\n"
        sources = {
            word: f"{includes}{KERNEL}{HEAD}cudaStream_t stream)\n{{\n    {body}\n}}\n" for word, body in BODIES.items()
        }
        task = rehearsal.load(TASK)
        return Rig(device, replace(task, limits=replace(task.limits, call_s=2.0)), sources, "cuda", tmp_path)
