"""Who is blamed when a task cannot be opened: the task's author, the machine, or the harness."""

import shutil
from pathlib import Path

import pytest

from kernelsmith.core.task_folder import load_task
from kernelsmith.errors import HarnessError, MachineRefusal, TaskError
from kernelsmith.judge_client.harness import HarnessProcess

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"
WRONG = "void matmul(const float *A, const float *B, float *C, int M, int N, int K) { C[0] = 1; }\n"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SMALL, tmp_path / "mine"))


def open_in(folder: Path, **options: str) -> None:
    with HarnessProcess(load_task(folder), folder=folder / "run", calibration_s=0.1, **options) as harness:  # type: ignore[arg-type]
        harness.open()


@pytest.mark.parametrize("text", ["no C at all", WRONG, None], ids=["does not build", "wrong outputs", "missing"])
def test_a_vendor_line_that_is_none_is_the_tasks_fault_and_named(mine, text):
    if text is None:
        (mine / "vendor.c").unlink()
    else:
        (mine / "vendor.c").write_text(text)
    with pytest.raises(TaskError, match=r"vendor\.c"):
        open_in(mine)


def test_a_task_that_was_spoiled_after_it_was_read_is_the_tasks_fault(mine):
    task = load_task(mine)
    (mine / "task.toml").write_text("spoiled = [")
    with (
        HarnessProcess(task, folder=mine / "run", calibration_s=0.1) as harness,
        pytest.raises(TaskError, match=r"task\.toml"),
    ):
        harness.open()


def test_a_machine_without_a_compiler_is_the_machines_fault(mine, monkeypatch, tmp_path):
    monkeypatch.setenv("CC", str(tmp_path / "absent"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(MachineRefusal):
        open_in(mine)


def test_an_interpreter_that_cannot_run_the_harness_is_the_harness_fault(mine, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no module named numpy >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(HarnessError, match="numpy") as caught:
        open_in(mine, python=str(python))
    assert type(caught.value) is HarnessError
