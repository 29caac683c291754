"""Another process on the card: nobody is timed beside it, and one line says who it is."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelsmith.bench.harness import HarnessProcess
from kernelsmith.core.task_folder import load_task
from kernelsmith.core.verdict import Status
from kernelsmith.errors import HarnessError

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
