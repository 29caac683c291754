"""`--harness-python`: one line where the interpreter that is named cannot serve, and no run is begun."""

import sys
from pathlib import Path

import pytest

from kernelsmith.cli.app import run_command


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """An interpreter without any package."""
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize(
    "command", [["run", "cpu_matmul"], ["judge", "cpu_matmul", "kernel.c"], ["duel", "cpu_matmul", "a.c", "b.c"]]
)
def test_an_interpreter_that_is_not_there_is_one_line(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_command([*command, "--harness-python", "/no/python"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "--harness-python /no/python" in said
    assert not list(tmp_path.iterdir()), "no run was begun"


def test_doctor_says_what_an_interpreter_cannot_do(bare, capsys):
    assert run_command(["doctor", "--harness-python", bare]) == 1
    assert "cannot run the harness" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["resume", "night", "--attempts", "1"], ["replay", "night", "--measure", "best"]])
def test_a_recorded_run_can_be_moved_to_another_interpreter(command, recorded, monkeypatch, capsys):
    monkeypatch.chdir(recorded.parent.parent)
    assert run_command([*command, "--harness-python", "/no/python"]) == 2
    assert "--harness-python /no/python" in capsys.readouterr().err
