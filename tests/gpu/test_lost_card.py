"""A GPU that disappears under the judge: simulated at the driver's call, for no real card can be made to."""

import subprocess
import sys
from pathlib import Path

import pytest

from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.task_folder import load_task
from kernelsmith.core.verdict import Status
from kernelsmith.errors import HarnessError
from kernelsmith.judge_client.harness import HarnessProcess

pytestmark = pytest.mark.gpu

HERE = Path(__file__).parent


def interpreter(folder: Path, lost: Path) -> Path:
    """Python, with the way to the driver in the test's hands."""
    library, wrapper = folder / "preload.so", folder / "python"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, HERE / "preload.c", "-ldl"], check=True)
    wrapper.write_text(f'#!/bin/sh\nLOST_CARD={lost} LD_PRELOAD={library} exec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    return wrapper


class Card:
    """One that is lost as soon as a stage begins."""

    def __init__(self, lost: Path) -> None:
        self.lost = lost
        self.lose_at = ""

    def watch(self, stage: str, step: str) -> None:
        if stage == self.lose_at:
            self.lost.touch()


def test_a_lost_card_is_an_error_of_the_harness_and_the_next_attempt_is_clean(tmp_path: Path) -> None:
    task, card = load_task(HERE / "faults"), Card(tmp_path / "lost")
    good = Candidate(task.skeleton.source, Language.CUDA)
    python = str(interpreter(tmp_path, card.lost))
    with HarnessProcess(task, folder=tmp_path / "harness", python=python, on_progress=card.watch) as harness:
        harness.open()
        for card.lose_at in ("build", "correctness", "timing"):
            with pytest.raises(HarnessError) as error:
                harness.submit(good, None).result()
            assert "CUDARuntimeError" in str(error.value)
            card.lost.unlink()
            card.lose_at = ""
            assert harness.submit(good, None).result().status is Status.PASSED
