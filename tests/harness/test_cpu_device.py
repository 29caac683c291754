"""The CPU keeps the contracts of a device, with real workers in their sandbox."""

from dataclasses import replace

import pytest
from device_contracts import DeviceContract, MemoryContract, Rig, WorkerContract
from scripted_judge import SMALL

from harness.checking import benchmark_check
from harness.devices import machine
from harness.devices.cpu import CpuDevice
from harness.sandbox import launcher as sandbox


@pytest.fixture(scope="module")
def device(tmp_path_factory) -> CpuDevice:
    cores = machine.split_cores()
    found = CpuDevice(tmp_path_factory.mktemp("cache"), isolation=sandbox.probe(), cores=cores)
    found.calibrate("fp32", seconds=0.2)
    return found


class TestCpuDevice(DeviceContract, MemoryContract, WorkerContract):
    @pytest.fixture
    def rig(self, device, matmul_with, tmp_path) -> Rig:
        sources = {
            "honest": matmul_with("honest;"),
            "wrong": matmul_with("C[0] = 1;"),
            "dies": matmul_with("abort();", before="#include <stdlib.h>"),
            "hangs": matmul_with("for (;;) {}"),
            "broken": "no C at all",
        }
        task = benchmark_check.load(SMALL)
        return Rig(device, replace(task, limits=replace(task.limits, call_s=0.3)), sources, "c", tmp_path)
