"""Opens a task in this process: benchmarks that look inside the judge share this. Workers run in their sandbox."""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernelsmith.judge_client.process import SINGLE_THREADED

# A judge is started with these variables: threads of numpy on the judge's one core would wait for one another. A
# benchmark that times anything imports this module before numpy.
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
"""Languages by a source's suffix."""


@contextmanager
def opened_task(name: str, cache: Path, *, calibration_s: float = 1.0) -> Iterator[OpenTask]:
    """Open a task as a judge does, on the kind of device that it is made for; the device is leased meanwhile.

    Raises:
        SystemExit: the task needs a GPU, and none answers.
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
    # One for the process: a second one would take the GPU context of the first for another program's.
    isolation = sandbox.probe()
    if kind == "cpu":
        from harness.devices.cpu import CpuDevice

        return CpuDevice(cache, isolation=isolation, cores=cores)
    from harness.devices.cuda import CudaDevice

    return CudaDevice(cache, ordinal=0, isolation=isolation, cores=cores)


def built(opened: OpenTask, text: str, *, language: str, folder: Path) -> Path:
    """Build a candidate and return its artifact; one that does not build is a fault of the benchmark."""
    source = folder / "candidate"
    source.write_text(text, encoding="utf-8")
    artifact = opened.build(source, language=language)
    assert isinstance(artifact, Built), artifact
    return artifact.artifact
