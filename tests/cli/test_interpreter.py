"""`--harness-python`: the harness under another interpreter, and one line where that one cannot serve."""

import sys
from pathlib import Path

import pytest

from kernelsmith.cli import interpreter
from kernelsmith.cli.app import run_command


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """An interpreter without any package."""
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize("command", [["run", "cpu_matmul"], ["judge", "cpu_matmul", "kernel.c"]])
def test_an_interpreter_that_is_not_there_is_one_line(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_command([*command, "--harness-python", "/no/python"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "--harness-python /no/python" in said
    assert not list(tmp_path.iterdir()), "no run was begun"


def test_what_an_interpreter_lacks_is_named_with_the_remedy(bare):
    said = interpreter.missing(bare, ["json", "numpy", "cupy"])
    assert said is not None
    assert "lacks numpy, cupy" in said
    assert f"{bare} -m pip install numpy cupy-cuda13x" in said


def test_our_own_interpreter_has_what_the_cpu_task_needs():
    assert interpreter.missing(None, ["numpy"]) is None


def test_doctor_says_so_too(bare, capsys):
    assert run_command(["doctor", "--harness-python", bare]) == 1
    assert "cannot run the harness" in capsys.readouterr().out
