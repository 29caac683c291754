"""Reading commands against a database that was written through the store; no device is needed for any of them."""

import json

import pytest


def test_runs_lists_name_task_status_attempts_and_best(cli, recorded):
    (run,) = json.loads(cli("runs", "--json").stdout)
    assert (run["name"], run["task"], run["status"], run["attempts"]) == ("night", "cpu_matmul", "ended", 3)
    assert run["best_utilization"] == pytest.approx(0.4)
    heading, line = cli("runs").stdout.splitlines()
    assert heading.split() == ["run", "task", "status", "attempts", "best,", "%", "of", "peak"]
    assert line.split() == ["night", "cpu_matmul", "ended", "3", "40.0"]


def test_show_lists_the_attempts(cli, recorded):
    shown = json.loads(cli("show", "night", "--json").stdout)
    assert shown["run"]["name"] == "night"
    assert [a["status"] for a in shown["attempts"]] == ["incorrect", "passed", "passed"]
    assert {"number", "parent", "origin", "stance", "status", "detail", "utilization"} <= set(shown["attempts"][0])
    assert "worst element" in cli("show", "night").stdout


def test_show_of_one_attempt_has_its_source(cli, recorded):
    assert json.loads(cli("show", "night:2", "--json").stdout)["utilization"] == pytest.approx(0.4)
    assert "void matmul" in cli("show", "night:2").stdout


def test_diff_of_two_attempts_and_of_two_runs(cli, recorded):
    assert "/* 2 */" in cli("diff", "night:1", "night:2").stdout
    assert cli("diff", "night", "night").returncode == 0
    for pair in (["night:1", "night:2"], ["night", "night"]):
        assert json.loads(cli("diff", *pair, "--json").stdout)


def test_replay_plays_every_attempt_back(cli, recorded):
    done = cli("replay", "night")
    assert done.returncode == 0, done.stderr
    assert all(text in done.stdout for text in ("worst element", "20.0 %", "40.0 %"))
    assert [a["number"] for a in json.loads(cli("replay", "night", "--json").stdout)["attempts"]] == [0, 1, 2]


def test_best_hands_out_the_bytes_that_were_measured(cli, recorded, tmp_path):
    assert cli("best", "night").stdout == "/* 2 */\nvoid matmul(void) {}\n"
    assert cli("best", "night", "-o", "best.c").stdout == ""
    assert (tmp_path / "best.c").read_bytes() == b"/* 2 */\nvoid matmul(void) {}\n"


def test_another_database_is_read_with_db(cli, recorded, tmp_path):
    recorded.parent.rename(tmp_path / "elsewhere")
    assert cli("runs").returncode == 2
    for name in ("elsewhere/attempts.db", "sqlite:///elsewhere/attempts.db"):
        assert len(json.loads(cli("runs", "--db", name, "--json").stdout)) == 1
