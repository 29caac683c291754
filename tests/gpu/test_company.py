"""Another process on the card: nobody is timed beside it or accused of its work, and one line says who it is."""

import contextlib
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelsmith.core.task_folder import load_task
from kernelsmith.core.verdict import Status
from kernelsmith.errors import HarnessError
from kernelsmith.judge_client.harness import HarnessProcess

pytestmark = pytest.mark.gpu

TASK = load_task(Path(__file__).parent / "faults")
NEIGHBOUR = textwrap.dedent("""
    import ctypes, sys
    driver, context = ctypes.CDLL("libcuda.so.1"), ctypes.c_void_p()
    assert driver.cuInit(0) == 0
    assert driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) == 0
    print("here", flush=True)
    sys.stdin.read()
""")
AT_WORK = textwrap.dedent("""
    import ctypes
    driver, context, memory = ctypes.CDLL("libcuda.so.1"), ctypes.c_void_p(), ctypes.c_void_p()
    assert driver.cuInit(0) == 0
    assert driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) == 0
    assert driver.cuCtxSetCurrent(context) == 0
    size = ctypes.c_size_t(8 << 30)
    assert driver.cuMemAlloc_v2(ctypes.byref(memory), size) == 0
    print("at work", flush=True)
    while True:
        assert driver.cuMemsetD8_v2(memory, 1, size) == driver.cuCtxSynchronize() == 0
""")
"""Fills 8 GiB of memory again and again, some 3 ms each time."""


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[HarnessProcess]:
    with HarnessProcess(TASK, folder=tmp_path) as process:
        process.open()
        yield process


def test_nobody_is_judged_beside_another_process_and_all_is_well_once_it_has_gone(harness: HarnessProcess) -> None:
    pid = harness.pid
    neighbour = subprocess.Popen([sys.executable, "-c", NEIGHBOUR], stdin=-1, stdout=-1, text=True)
    try:
        assert neighbour.stdout is not None
        assert neighbour.stdout.readline() == "here\n"
        with pytest.raises(HarnessError, match=r"another process computes on .*; end it, or choose another card"):
            harness.submit(TASK.skeleton, None).result()
    finally:
        neighbour.communicate()
    assert harness.submit(TASK.skeleton, None).result().status is Status.PASSED
    assert harness.pid == pid


def test_nobody_is_accused_of_what_a_neighbour_does_who_comes_meanwhile(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        neighbours: list[subprocess.Popen[str]] = []

        def move_in(stage: str, step: str) -> None:
            if stage == "correctness" and not neighbours:
                neighbours.append(subprocess.Popen([sys.executable, "-c", AT_WORK], stdout=-1, text=True))
                stack.enter_context(neighbours[0])
                stack.callback(neighbours[0].kill)
                assert neighbours[0].stdout is not None
                assert neighbours[0].stdout.readline() == "at work\n"

        harness = stack.enter_context(HarnessProcess(TASK, folder=tmp_path, on_progress=move_in))
        try:
            verdict = harness.submit(TASK.skeleton, None).result()
            told = ", ".join(verdict.notes) if verdict.status is Status.PASSED else verdict.detail
        except HarnessError as error:
            told = str(error)
        assert neighbours
        assert "another process comput" in told
