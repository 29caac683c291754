"""A kernel judged while something else computes: how far the score moves, and what the verdict says of it.

On a CPU the neighbour is a busy loop, on one of the judge's cores and then on the candidate's; on a GPU it is another
process that computes there, from before the judgement and from the middle of it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.compiling import signature
from harness.errors import MachineError
from harness.judging import judge
from harness.judging.judgement import Progress, no_progress
from harness.judging.open_task import OpenTask
from harness.wire import messages as wire
from in_process import SUFFIXES

JUDGINGS = 3
"""Of each situation; the quiet ones are the first and the last."""
SETTLE_S = 0.5
BUSY = "while True: pass"
LAUNCHES = """
import ctypes, sys, time
driver, code = ctypes.CDLL("libcuda.so.1"), open(sys.argv[1], "rb").read()
def check(error):
    assert error == 0, error
context, module, function = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
check(driver.cuInit(0))
check(driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0))
check(driver.cuCtxSetCurrent(context))
check(driver.cuModuleLoadData(ctypes.byref(module), code))
check(driver.cuModuleGetFunction(ctypes.byref(function), module, b"_Z4waitx"))
length = ctypes.c_longlong(2_000_000)
given = (ctypes.c_void_p * 1)(ctypes.addressof(length))
print("computing", flush=True)
while True:
    check(driver.cuLaunchKernel(function, 132, 1, 1, 128, 1, 1, 0, None, given, None))
    check(driver.cuCtxSynchronize())
"""
"""Another process on the GPU: kernels of 2 ms on all multiprocessors, one after the other, by the driver alone."""


def judged(opened: OpenTask, kernel: Path, *, progress: Progress = no_progress) -> wire.Verdict:
    """Measure the kernel; nothing is audited. Raises MachineError: the judge refuses."""
    source = wire.Source(str(kernel), SUFFIXES[kernel.suffix])
    return judge.measure(opened, wire.Measure("noise", str(opened.task.folder), source), progress)


def print_noise(opened: OpenTask, kernel: Path, *, folder: Path) -> None:
    """A line for each judging."""
    quiet = [_print(opened, kernel, "quiet", 0.0) for _ in range(JUDGINGS)]
    usual = sorted(found for found in quiet if found)[len(quiet) // 2]
    worker_core = opened.device.worker_core
    if opened.task.device == "cpu" and worker_core is not None:
        for core, whose in ((min(os.sched_getaffinity(0)), "the judge's"), (worker_core, "the candidate's")):
            with _busy_core(core):
                for _ in range(JUDGINGS):
                    _print(opened, kernel, f"a load on core {core}, {whose}", usual)
    else:
        neighbour = Neighbour(folder)
        with neighbour.computing():
            _print(opened, kernel, "another process from the start", usual)
        with neighbour.computing_from("timing") as progress:
            _print(opened, kernel, "another process from the batches on", usual, progress=progress)
    _print(opened, kernel, "quiet again", usual)


def _print(opened: OpenTask, kernel: Path, situation: str, usual: float, *, progress: Progress = no_progress) -> float:
    """One judging; its utilization, 0 where there is no score."""
    try:
        verdict = judged(opened, kernel, progress=progress)
    except MachineError as error:
        print(f"  {situation}: refused: {error}", flush=True)
        return 0.0
    if verdict.measurement is None:
        print(f"  {situation}: {verdict.status}: {verdict.detail}", flush=True)
        return 0.0
    found = verdict.measurement.utilization
    moved = f" ({found / usual - 1:+.1%})" if usual else ""
    print(f"  {situation}: {found:.2%} of peak{moved}; {'; '.join(verdict.notes) or 'no note'}", flush=True)
    return found


@contextmanager
def _busy_core(core: int) -> Iterator[None]:
    pin = lambda: os.sched_setaffinity(0, {core})  # noqa: E731
    process = subprocess.Popen([sys.executable, "-c", BUSY], preexec_fn=pin)
    try:
        time.sleep(SETTLE_S)
        yield
    finally:
        process.kill()
        process.wait()


class Neighbour:
    """Another process that computes on the GPU."""

    def __init__(self, folder: Path) -> None:
        from harness.compiling import nvcc

        source, self._code = folder / "neighbour.cu", folder / "neighbour.cubin"
        source.write_text(signature.CUDA_WAIT, encoding="utf-8")
        command = [str(nvcc.toolkit().nvcc), *nvcc.ARCHITECTURE, "-cubin", "-o", str(self._code), str(source)]
        subprocess.run(command, check=True)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Until the end of the block."""
        process = self._start()
        try:
            yield
        finally:
            _end(process)

    @contextmanager
    def computing_from(self, wanted: str) -> Iterator[Progress]:
        """From a stage of a judgement on, which is told to what is given."""
        started: list[subprocess.Popen[str]] = []

        def progress(stage: str, step: str = "") -> None:
            if stage == wanted and not step:
                started.append(self._start())

        try:
            yield progress
        finally:
            for process in started:
                _end(process)

    def _start(self) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", LAUNCHES, str(self._code)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "computing\n", "the neighbour does not compute"
        return process


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
    # Until the driver has taken it off its list.
    time.sleep(SETTLE_S)
