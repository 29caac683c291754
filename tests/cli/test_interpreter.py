"""`--harness-python`: the harness under another interpreter, and one line where that one cannot serve."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kernelsmith.cli import interpreter, resume
from kernelsmith.cli.app import run_command
from kernelsmith.cli.config import configured
from kernelsmith.core.run import Event, EventKind


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


@pytest.mark.parametrize("command", [["resume", "night"], ["replay", "night", "--measure", "best"]])
def test_a_recorded_run_can_be_moved_to_another_interpreter(command, recorded, monkeypatch, capsys):
    monkeypatch.chdir(recorded.parent.parent)
    assert run_command([*command, "--harness-python", "/no/python"]) == 2
    assert "--harness-python /no/python" in capsys.readouterr().err


def test_a_resumed_run_keeps_the_interpreter_it_was_moved_to(history_with):
    at = history_with().run.created_at
    moved = Event(EventKind.RESUME, at, data={"harness_python": "/new/python"})
    history = history_with(events=(moved, Event(EventKind.RESUME, at)), harness_python="/old/python")
    assert resume.under(history, None).run.config.harness_python == "/new/python"
    assert resume.under(history, "/newest/python").run.config.harness_python == "/newest/python"
    assert resume.under(replace(history, events=()), None).run.config.harness_python == "/old/python"


def test_an_interpreter_that_is_too_old_is_told_its_age(tmp_path):
    script = tmp_path / "python3.9"
    script.write_text("#!/bin/sh\necho '[[3, 9], []]'\n")
    script.chmod(0o755)
    said = interpreter.missing(str(script), [])
    assert said is not None
    assert "is Python 3.9; the harness needs 3.11" in said


def test_an_interpreter_is_found_again_from_another_folder_and_stays_a_link(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    for named in ("bin/python", "./bin/python"):
        kept = configured(None, {"task": "t", "harness_python": named}).harness_python
        assert kept == str(tmp_path / "bin" / "python")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert interpreter.lasting("python") == str(tmp_path / "bin" / "python")
