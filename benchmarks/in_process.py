"""A judge in this process, with workers in their sandbox as ever: what the benchmarks share that look inside it."""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernelsmith.judge_client.process import SINGLE_THREADED

# As a judge is started: threads of numpy's on the judge's one core would wait for one another. What times anything
# imports this module before numpy.
os.environ |= SINGLE_THREADED

from harness.judging.opened import Opened

from harness.checking import rehearsal
from harness.compiling.built import Built
from harness.devices import Workplace, machine
from harness.judging import opened as opening
from harness.sandbox import launcher as sandbox
from kernelsmith.judge_client import gpu
from kernelsmith.judge_client.lease import leased

ROOT = Path(__file__).resolve().parent.parent
DEVICES = {"cpu": "cpu", "cuda": "cuda:0"}
SUFFIXES = {".c": "c", ".cu": "cuda", ".py": "triton"}
"""Languages by a source's suffix."""


@contextmanager
def opened_task(name: str, cache: Path, *, calibration_s: float = 1.0) -> Iterator[Opened]:
    """A task as a judge opens it, on the device that it is made for, which nobody else is judged on meanwhile.

    Raises:
        SystemExit: the task needs a GPU, and none answers.
    """
    task = rehearsal.load(ROOT / "tasks" / name)
    if task.device == "cuda" and (lack := gpu.missing()):
        raise SystemExit(f"{name} needs an NVIDIA GPU: {lack}")
    cores = machine.split_cores()
    with leased(DEVICES[task.device]), machine.take_place(cores):
        workplace = _workplace(task.device, cache, cores)
        found = opening.open_task(task, workplace=workplace, calibration_s=calibration_s)
        try:
            yield found
        finally:
            found.close()


@functools.cache
def _workplace(device: str, cache: Path, cores: machine.Cores) -> Workplace:
    # One a process: a second one would take the first one's GPU context for another program's.
    isolation = sandbox.probe()
    if device == "cpu":
        from harness.devices.cpu import CpuWorkplace

        return CpuWorkplace(cache, isolation=isolation, cores=cores)
    from harness.devices.cuda import CudaWorkplace

    return CudaWorkplace(cache, ordinal=0, isolation=isolation, cores=cores)


def built(opened: Opened, text: str, *, language: str, folder: Path) -> Path:
    """A candidate's artifact; one that does not build is a fault of the benchmark."""
    source = folder / "candidate"
    source.write_text(text, encoding="utf-8")
    artifact = opened.build(source, language=language)
    assert isinstance(artifact, Built), artifact
    return artifact.artifact
