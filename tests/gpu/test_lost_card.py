"""A GPU that disappears under the judge: simulated at the driver's call, for no real card can be made to."""

import subprocess
import sys
from pathlib import Path

import pytest

from kernelsmith.bench.harness import HarnessProcess
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.task_folder import load_task
from kernelsmith.core.verdict import Status
from kernelsmith.errors import HarnessError

pytestmark = pytest.mark.gpu

HERE = Path(__file__).parent


def interpreter(folder: Path, lost: Path) -> Path:
    """Python, with a call of the driver's in the test's hands."""
    library, wrapper = folder / "preload.so", folder / "python"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, HERE / "preload.c", "-ldl"], check=True)
    wrapper.write_text(f'#!/bin/sh\nLOST_CARD={lost} LD_PRELOAD={library} exec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    return wrapper


def test_a_lost_card_is_an_error_of_the_harness_and_a_new_judge_goes_on_when_it_is_back(tmp_path: Path) -> None:
    lost = tmp_path / "lost"
    task = load_task(HERE / "faults")
    good = Candidate(task.skeleton.source, Language.CUDA)
    with HarnessProcess(task, folder=tmp_path / "harness", python=str(interpreter(tmp_path, lost))) as harness:
        harness.open()
        first = harness.pid
        lost.touch()
        with pytest.raises(HarnessError, match="cudaErrorNoDevice"):
            harness.submit(good, None).result()
        lost.unlink()
        assert harness.submit(good, None).result().status is Status.PASSED
        assert harness.pid != first
