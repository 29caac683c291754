"""Opens a task in this process, for benchmarks that need the judge's internals. Workers run in the sandbox as usual."""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernelsmith.judge_client.process import SINGLE_THREADED

# The agent starts a judge with these variables, because several numpy threads would share the judge's one core. A
# benchmark must import this module before numpy.
os.environ |= SINGLE_THREADED

from harness.checking import benchmark_check
from harness.compiling.built import Built
from harness.devices import Device, machine
from harness.judging import opening
from harness.judging.open_task import OpenTask
from harness.sandbox import launcher as sandbox
from kernelsmith.judge_client import gpu
from kernelsmith.judge_client.lease import leased

ROOT = Path(__file__).resolve().parent.parent
DEVICES = {"cpu": "cpu", "cuda": "cuda:0"}
SUFFIXES = {".c": "c", ".cu": "cuda", ".py": "triton"}
"""Suffix of a source file -> language of the candidate."""


@contextmanager
def opened_task(name: str, cache: Path, *, calibration_s: float = 1.0) -> Iterator[OpenTask]:
    """Yield a task that is open and calibrated on a device of its kind, and hold the lease of the device.

    `cache` is the folder of built programs; `calibration_s` is how many seconds the peak is measured.

    Raises:
        SystemExit: if the task needs a GPU and this machine has none.
    """
    task = benchmark_check.load(ROOT / "tasks" / name)
    if task.device == "cuda" and (lack := gpu.missing()):
        raise SystemExit(f"{name} needs an NVIDIA GPU: {lack}")
    cores = machine.split_cores()
    with leased(DEVICES[task.device]), machine.pin_judge(cores):
        opened = opening.open_task(task, device=_device(task.device, cache, cores), calibration_s=calibration_s)
        try:
            yield opened
        finally:
            opened.close()


@functools.cache
def _device(kind: str, cache: Path, cores: machine.Cores) -> Device:
    # One device per process: a second one would take the first one's GPU context for that of another program.
    isolation = sandbox.probe()
    if kind == "cpu":
        from harness.devices.cpu import CpuDevice

        return CpuDevice(cache, isolation=isolation, cores=cores)
    from harness.devices.cuda import CudaDevice

    return CudaDevice(cache, ordinal=0, isolation=isolation, cores=cores)


def built(opened: OpenTask, text: str, *, language: str, folder: Path) -> Path:
    """Build a candidate and return the path of its artifact. Raises AssertionError if the build fails."""
    source = folder / "candidate"
    source.write_text(text, encoding="utf-8")
    artifact = opened.build(source, language=language)
    assert isinstance(artifact, Built), artifact
    return artifact.artifact
