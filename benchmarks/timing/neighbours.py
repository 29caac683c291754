"""Judges a kernel while another program computes; prints how far the score moves and what the verdict says.

On a CPU the other program is a busy loop, first on one of the judge's cores, then on the candidate's core. On a GPU it
computes on the same GPU, first from before the judgement, then from the start of its timing.
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
"""Number of judgements without a load at the beginning, and with each load on a CPU."""
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
arguments = (ctypes.c_void_p * 1)(ctypes.addressof(length))
print("computing", flush=True)
while True:
    check(driver.cuLaunchKernel(function, 132, 1, 1, 128, 1, 1, 0, None, arguments, None))
    check(driver.cuCtxSynchronize())
"""
"""Program that keeps all multiprocessors busy with kernels of 2 ms. It uses the CUDA driver through ctypes only."""


def judged(opened: OpenTask, kernel: Path, *, progress: Progress = no_progress) -> wire.Verdict:
    """Return the verdict of a `measure` request for the kernel. Raises MachineError if the judge refuses to judge."""
    source = wire.Source(str(kernel), SUFFIXES[kernel.suffix])
    return judge.measure(opened, wire.Measure("noise", str(opened.task.folder), source), progress)


def print_noise(opened: OpenTask, kernel: Path, *, folder: Path) -> None:
    """Judge the kernel without and with each load, and print a line for each judgement."""
    quiet = [_print(opened, kernel, "quiet", 0.0) for _ in range(JUDGINGS)]
    usual = sorted(utilization for utilization in quiet if utilization)[len(quiet) // 2]
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
    """Judge the kernel once, print a line, and return its utilization, or 0 if there is no score.

    `usual` is the utilization without a load, 0 if it is not yet known.
    """
    try:
        verdict = judged(opened, kernel, progress=progress)
    except MachineError as error:
        print(f"  {situation}: refused: {error}", flush=True)
        return 0.0
    if verdict.measurement is None:
        print(f"  {situation}: {verdict.status}: {verdict.detail}", flush=True)
        return 0.0
    utilization = verdict.measurement.utilization
    moved = f" ({utilization / usual - 1:+.1%})" if usual else ""
    print(f"  {situation}: {utilization:.2%} of peak{moved}; {'; '.join(verdict.notes) or 'no note'}", flush=True)
    return utilization


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
    """Starts and ends another process that computes on the GPU. Its program is compiled into `folder`."""

    def __init__(self, folder: Path) -> None:
        from harness.compiling import nvcc

        source, self._code = folder / "neighbour.cu", folder / "neighbour.cubin"
        source.write_text(signature.CUDA_WAIT, encoding="utf-8")
        command = [str(nvcc.toolkit().nvcc), *nvcc.ARCHITECTURE, "-cubin", "-o", str(self._code), str(source)]
        subprocess.run(command, check=True)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Let the other process compute until the end of the block."""
        process = self._start()
        try:
            yield
        finally:
            _end(process)

    @contextmanager
    def computing_from(self, first_stage: str) -> Iterator[Progress]:
        """Yield a progress callback for a judgement that starts the other process when `first_stage` begins.

        The process ends with the block.
        """
        started: list[subprocess.Popen[str]] = []

        def progress(stage: str, step: str = "") -> None:
            if stage == first_stage and not step:
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
    # The driver needs this time to remove the process from its list.
    time.sleep(SETTLE_S)
