"""Every fault is one line on stderr that names the option, key or path, with exit code 2 and no traceback."""

import json

import pytest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frobnicate"], "frobnicate"),
        (["run", "cpu_matmul", "--nonsense"], "--nonsense"),
        (["run"], "task"),
        (["judge", "cpu_matmul"], "FILE"),
        (["run", "cpu_matmul", "--attempts", "many"], "--attempts"),
        (["run", "cpu_matmul", "--attempts", "0"], "--attempts"),
        (["run", "cpu_matmul", "--attempts", "-3"], "--attempts"),
        (["run", "cpu_matmul", "--hours", "nan"], "--hours"),
        (["run", "cpu_matmul", "--usd", "5"], "--usd"),
        (["run", "cpu_matmul", "--target", "fast"], "--target"),
        (["run", "cpu_matmul", "--target", "0"], "--target"),
        (["run", "cpu_matmul", "--target", "120%"], "--target 120%: must be above 0 and at most 1 (100 % of the peak"),
        (["run", "cpu_matmul", "--proposer", "folder:."], "no file of the folder ends in .c; write a candidate there"),
        (["run", "cpu_matmul", "--proposer", "oracle"], "oracle"),
        (["run", "cpu_matmul", "--proposer", "model"], "--model"),
        (["run", "cpu_matmul", "--model", "m", "--base-url", "nowhere"], "--base-url"),
        (["run", "cpu_matmul", "--base-url", "http://127.0.0.1:1/v1"], "--model"),
        (["run", "cpu_matmul", "--model", "m", "--base-url", "http://127.0.0.1:1/v1", "--usd", "1"], "price"),
        (["run", "cpu_matmul", "--proposer", "folder:absent"], "absent"),
        (["run", "cpu_matmul", "--proposer", "folder:"], "--proposer folder:"),
        (["run", "cpu_matmul", "--model", "scripted:"], "--model scripted:"),
        (["run", "cpu_matmul", "--proposer", "tuner", "--model", "m"], "--model"),
        (["run", "cpu_matmul", "--name", ""], "--name"),
        (["run", "cpu_matmul", "--from", "absent.c"], "absent.c"),
        (["judge", "cpu_matmul", "absent.c", "--inputs", "main"], "absent.c"),
        (["run", "cpu_matmul", "--model", "scripted:absent"], "absent"),
        (["run", "cpu_matmul", "--config", "absent.toml"], "absent.toml"),
        (["run", "no_such_task"], "no_such_task"),
        (["tasks", "no_such_task"], "no_such_task"),
        (["judge", "no_such_task", "x.c"], "no_such_task"),
        (["run", "cpu_matmul", "--from", "absent/"], "absent"),
        (["judge", "cpu_matmul", "absent.c"], "absent.c"),
        (["judge", "cpu_matmul", "absent.f90"], ".f90"),
        (["duel", "cpu_matmul", "absent.c", "absent.c"], "absent.c"),
        (["runs", "--db", "absent/folder/attempts.db"], "absent/folder"),
    ],
)
def test_a_fault_is_one_line_with_exit_code_2(cli, arguments, said):
    done = cli(*arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("kernelsmith: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "no_such_run"], "no_such_run"),
        (["show", "no_such_run:3"], "no_such_run"),
        (["best", "no_such_run"], "no_such_run"),
        (["resume", "no_such_run"], "no_such_run"),
        (["replay", "no_such_run"], "no_such_run"),
        (["diff", "night", "no_such_run"], "no_such_run"),
        (["diff", "night", "night:1"], "two runs, or two attempts"),
        (["diff", "night:1", "night:9"], "night:9"),
        (["show", "night:9"], "0 to 2"),
        (["show", "night:last"], "night:last"),
        (["best", "night", "-o", "absent/best.c"], "absent/best.c"),
        (["resume", "night", "--target", "fast"], "--target"),
        (["resume", "night", "--target", "1.2"], "--target 1.2: must be above 0 and at most 1"),
        (["resume", "night", "--attempts", "0"], "--attempts"),
        (["resume", "night", "--hours", "nan"], "--hours"),
        (["resume", "night", "--hours", "-1"], "--hours"),
        (["resume", "night", "--usd", "inf"], "--usd"),
        (["replay", "no_such_run", "--measure", "some"], "some"),
        (["replay", "night", "--measure", ""], "improvements"),
        (["run", "cpu_matmul", "--proposer", "replay:night:some"], "some"),
    ],
)
def test_a_run_or_attempt_that_does_not_exist_is_one_line_with_exit_code_2(cli, recorded, arguments, said):
    done = cli(*arguments)
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, ""), done.stderr
    assert said in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sed = 3", "sed"),
        ("[budget]\nattemps = 3", "budget.attemps"),
        ("[budget]\nattempts = '3'", "budget.attempts"),
        ("[budget]\nhours = nan", "budget.hours"),
        ("plateau = 0", "plateau"),
        ("price_per_mtok = [1.0]", "price_per_mtok: must be a list [PROMPT, COMPLETION]"),
        ("budget = 3", "budget: must be a table"),
        ("seed = true", "seed"),
        ("seed = ", "not valid TOML"),
    ],
)
def test_a_wrong_key_of_a_config_file_is_named_with_its_file(cli, tmp_path, text, said):
    (tmp_path / "run.toml").write_text(text)
    done = cli("run", "cpu_matmul", "--config", "run.toml")
    assert done.returncode == 2
    assert done.stderr.startswith("kernelsmith: run.toml: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_fault_leaves_no_run_behind(cli, tmp_path):
    cli("run", "cpu_matmul", "--proposer", "oracle")
    assert not (tmp_path / "runs").exists() or cli("runs", "--json").stdout.strip() == "[]"


def test_a_malformed_task_names_its_key(cli, tmp_path):
    task = tmp_path / "mine"
    task.mkdir()
    (task / "task.toml").write_text('title = "mine"\ndevise = "cpu"\n')
    done = cli("run", "mine")
    assert done.returncode == 2
    assert "task.toml" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_database_that_is_none_is_named(cli, tmp_path):
    (tmp_path / "notes.db").write_text("these are my notes, not a database\n" * 100)
    for command in (["runs"], ["show", "x"], ["run", "cpu_matmul"]):
        done = cli(*command, "--db", "notes.db")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert "notes.db" in done.stderr


def test_a_reader_that_stops_reading_is_no_fault(tmp_path, environment):
    import subprocess
    import sys

    command = f"{sys.executable} -m kernelsmith.cli tasks cpu_matmul --json | head -c 1"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "{"
    assert done.stderr == ""


def test_without_a_compiler_a_run_is_paused_with_the_remedy(cli, tmp_path, quick):
    from pathlib import Path

    small = Path(__file__).parents[1] / "tasks" / "small_matmul"
    done = cli("run", str(small), "--name", "early", *quick, PATH=str(tmp_path), CC="")
    assert done.returncode == 2
    assert "install gcc" in done.stderr.splitlines()[-1]
    assert " resume early" in done.stderr.splitlines()[-1]
    assert json.loads(cli("runs", "--json").stdout)[0]["status"] == "paused"
    for _ in range(2):
        assert cli("resume", "early", "--attempts", "5", PATH=str(tmp_path), CC="").returncode == 2
    assert json.loads(cli("show", "early", "--json").stdout)["run"]["budget"]["attempts"] == 60
