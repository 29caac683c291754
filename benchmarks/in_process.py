"""A judge in this process, with workers in their sandbox as ever: what the benchmarks share that look inside it."""

import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "harness"), str(ROOT)]

from kernelsmith.judge_client.process import SINGLE_THREADED  # noqa: E402

# As a judge is started: threads of numpy's on the judge's one core would wait for one another. What times anything
# imports this module before numpy.
os.environ |= SINGLE_THREADED

import machine  # noqa: E402
import opened as opening  # noqa: E402
import rehearsal  # noqa: E402
import sandbox  # noqa: E402
from build.built import Built  # noqa: E402
from kernelsmith.judge_client import gpu  # noqa: E402
from kernelsmith.judge_client.lease import leased  # noqa: E402
from opened import Opened  # noqa: E402
from workplace import Workplace  # noqa: E402

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
    with leased(DEVICES[task.device]):
        found = opening.open_task(task, workplace=_workplace(task.device, cache), calibration_s=calibration_s)
        try:
            yield found
        finally:
            found.close()


@functools.cache
def _workplace(device: str, cache: Path) -> Workplace:
    # One a process: a second one would take the first one's GPU context for another program's.
    cores, isolation = machine.split_cores(), sandbox.probe()
    machine.take_place(cores)
    if device == "cpu":
        from workplace.cpu import CpuWorkplace

        return CpuWorkplace(cache, isolation=isolation, cores=cores)
    from workplace.cuda import CudaWorkplace

    return CudaWorkplace(cache, ordinal=0, isolation=isolation, cores=cores)


def built(opened: Opened, text: str, *, language: str, folder: Path) -> Path:
    """A candidate's artifact; one that does not build is a fault of the benchmark."""
    source = folder / "candidate"
    source.write_text(text, encoding="utf-8")
    artifact = opened.build(source, language=language)
    assert isinstance(artifact, Built), artifact
    return artifact.artifact
