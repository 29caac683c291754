"""`kernelsmith selftest`, and `run --selftest`, which refuses to start where a cheat gets through."""

import json
import shutil
from pathlib import Path

import pytest

from kernelsmith import paths
from kernelsmith.cli.app import run_command
from kernelsmith.judge_client import gpu


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_machines: None) -> Path:
    """A zoo of two, for the CPU: an honest candidate and a cheat."""
    folder, whole = tmp_path / "exploits", paths.exploits_folder()
    folder.mkdir()
    shutil.copy(whole / "honest.c", folder)
    for name in ("control_honest", "writes_zeros"):
        shutil.copytree(whole / name, folder / name)
    monkeypatch.setattr(paths, "exploits_folder", lambda: folder)
    monkeypatch.chdir(tmp_path)
    return folder


def let_through(zoo: Path) -> None:
    """A cheat that no guard catches: honest work under the name of one."""
    shutil.copytree(zoo / "control_honest", zoo / "gets_through")
    spec = zoo / "gets_through" / "exploit.toml"
    spec.write_text(spec.read_text().replace('kind = "honest"\n', ""))


def test_every_candidate_has_its_line_and_the_sum_its_counts(zoo, capsys):
    assert run_command(["selftest"]) == 0
    told = capsys.readouterr()
    assert [line.split()[:2] for line in told.err.splitlines()] == [
        ["passed", "control_honest"],
        ["caught", "writes_zeros"],
    ]
    assert "row 32" in told.err
    assert told.out.endswith("1 caught, 0 missed, 1 passed, 0 falsely accused\n")


def test_a_cheat_that_gets_through_is_an_exit_code_and_an_entry(zoo, capsys):
    let_through(zoo)
    assert run_command(["selftest", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [(one["device"], one["isolation"]) for one in told["devices"]] == [("cpu", 3)]
    by_name = {one["name"]: one for one in told["candidates"]}
    assert by_name["gets_through"]["outcome"] == "missed"
    assert by_name["writes_zeros"]["status"] == "incorrect"
    assert "should be" in by_name["writes_zeros"]["detail"]
    assert {"rows", "seconds", "language", "guard", "story"} <= set(by_name["writes_zeros"])


def test_one_that_is_not_as_it_should_be_is_told_with_its_reason(zoo, capsys):
    shutil.rmtree(zoo / "control_honest")
    spec = zoo / "writes_zeros" / "exploit.toml"
    spec.write_text(spec.read_text() + 'kind = "honest"\n')
    assert run_command(["selftest", "--device", "cpu"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("falsely accused")
    assert "-> incorrect: case main" in told[1]


@pytest.mark.skipif(gpu.missing() is None, reason="there is a GPU")
def test_the_gpu_zoo_without_a_gpu_is_the_users_to_fix(zoo, capsys):
    assert run_command(["selftest", "--device", "cuda"]) == 2
    assert "--device cpu needs none" in capsys.readouterr().err


def test_the_harness_is_run_by_the_interpreter_that_is_named(zoo, capsys):
    assert run_command(["selftest", "--harness-python", "/nowhere/python"]) == 2
    assert "--harness-python /nowhere/python" in capsys.readouterr().err


def test_a_run_is_refused_where_a_cheat_gets_through(zoo, capsys):
    let_through(zoo)
    for name in ("control_honest", "writes_zeros"):
        shutil.rmtree(zoo / name)
    assert run_command(["run", "cpu_matmul", "--attempts", "1", "--selftest"]) == 2
    assert "--selftest: wrong outcome of gets_through" in capsys.readouterr().err
    assert not (zoo.parent / "runs").exists(), "no run was begun"


def test_at_a_lower_level_it_names_what_is_no_longer_caught_and_what_it_dares_not_try(zoo, capsys):
    for name in ("includes_a_file", "fork_bomb"):
        shutil.copytree(Path(__file__).parents[1] / "exploits" / name, zoo / name)
    assert run_command(["selftest", "--isolation", "0", "--trust-candidates"]) == 1
    told = capsys.readouterr()
    assert "3 candidates on the CPU at isolation level 0" in told.out
    assert ": 1 caught, 1 missed, 1 passed, 0 falsely accused\n" in told.out
    assert "not caught at isolation level 0: includes_a_file" in told.out
    assert "not tried at isolation level 0, because nothing would stop them: fork_bomb" in told.out
    assert "fork_bomb" not in told.err


def test_without_a_sandbox_it_runs_only_where_candidates_are_trusted(zoo, capsys):
    assert run_command(["selftest", "--isolation", "0"]) == 2
    assert "--trust-candidates" in capsys.readouterr().err


def test_a_run_cannot_be_given_a_lower_level(zoo, capsys):
    assert run_command(["run", "cpu_matmul", "--isolation", "1"]) == 2
    assert "--isolation" in capsys.readouterr().err
