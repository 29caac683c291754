"""Runs of the small task from the command line: the result on stdout, the progress on stderr, the log in between.

Tests with `real_night`, or with `quick` in a run that passes, judge on this machine; the others on a scripted device.
"""

import json
import shutil
from pathlib import Path

import pytest
from command_line import run_process

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"


@pytest.fixture(scope="module")
def real_run(tmp_path_factory, environment):
    """The folder of a run of three attempts on this machine, named night, that nobody may change; and what it printed.

    A process of its own made it.
    """
    folder = tmp_path_factory.mktemp("real")
    (folder / "quick.toml").write_text("calibration_s = 0.1\n")
    options = ["--attempts", "3", "--name", "night", "--config", "quick.toml"]
    return folder, run_process(["run", str(SMALL), *options], folder=folder, environment=environment)


@pytest.fixture
def real_night(tmp_path, real_run) -> Path:
    """The same run in this test's own folder."""
    return Path(shutil.copytree(real_run[0], tmp_path, dirs_exist_ok=True))


def test_a_run_prints_its_summary_on_stdout_and_a_line_an_attempt_on_stderr(real_run):
    _, done = real_run
    assert done.returncode == 0, done.stderr
    assert "3 asks, 3 attempts" in done.stdout
    assert " best night -o best.c" in done.stdout
    assert sum(line.startswith("[") for line in done.stderr.splitlines()) == 3
    assert "no model configured" in done.stderr


def test_a_run_on_this_machine_names_the_best_with_its_denominators_and_goes_on(cli_process, real_night):
    done = cli_process("resume", "night", "--attempts", "1", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["attempts"], summary["measured_on"]) == (4, "cpu")
    assert 0 < summary["best"]["utilization"] < 1.1
    assert summary["best"]["peak"] > 0


def test_a_recorded_attempt_fights_a_duel_with_the_vendor_line_on_this_machine(cli_process, real_night):
    done = cli_process("duel", str(SMALL), "night:1", "vendor", "--json")
    assert done.returncode == 0, done.stderr
    fought = json.loads(done.stdout)
    assert (fought["a"], fought["b"]) == ("night:1", "vendor")
    assert 0 < fought["interval"]["low"] <= fought["interval"]["high"]


def test_what_comes_next_repeats_the_database_that_was_given(cli, card):
    done = cli("run", str(SMALL), "--attempts", "3", "--name", "night", "--db", "other.db", *card)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("next ")]
    command = line[line.index(" show ") :].split()
    assert command == ["show", "night", "--db", "other.db"]
    assert cli(*command).returncode == 0


def test_the_summary_in_json_names_the_best_with_its_denominators(night):
    assert (night["run"], night["attempts"]) == ("night", 3)
    assert 0 < night["best"]["utilization"] < 1.1
    assert night["best"]["peak"] > 0
    assert night["promotions"][0]["by"] == "first"


def test_asks_and_attempts_are_told_apart_in_summary_and_log(night, events_of):
    assert (night["ended"], night["made"], night["limit"]) == (*["3 asks, 3 attempts"] * 2, "attempts")
    assert (night["asks"], night["attempts"], night["sweep_trials"]) == (3, 3, 0)
    ended = events_of("night")[-1]
    assert (ended["kind"], ended["data"]) == ("ended", {"limit": "attempts", "reason": "3 asks, 3 attempts"})


def test_reading_commands_find_the_run(cli, night):
    (listed,) = json.loads(cli("runs", "--json").stdout)
    assert (listed["name"], listed["status"], listed["attempts"]) == ("night", "ended", 3)
    shown = json.loads(cli("show", "night", "--json").stdout)
    assert [a["number"] for a in shown["attempts"]] == [0, 1, 2]
    best = night["best"]["number"]
    assert json.loads(cli("show", f"night:{best}", "--json").stdout)["status"] == "passed"
    assert cli("diff", "night:0", f"night:{best}").returncode == 0
    assert cli("replay", "night").returncode == 0


def test_best_writes_the_source_that_was_measured(cli, night, tmp_path):
    printed = cli("best", "night").stdout
    written = cli("best", "night", "-o", "best.c")
    assert (written.returncode, written.stdout) == (0, "")
    assert (tmp_path / "best.c").read_text() == printed
    assert json.loads(cli("best", "night", "--json").stdout)["source"] == printed


def test_resume_of_an_ended_run_names_the_option_that_extends_it(cli, night):
    done = cli("resume", "night")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "3 asks, 3 attempts; extend it with --attempts" in done.stderr


def test_resume_adds_to_the_budget_and_goes_on_where_the_run_stopped(cli, night):
    done = cli("resume", "night", "--attempts", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["attempts"] == 5
    shown = json.loads(cli("show", "night", "--json").stdout)
    assert [a["number"] for a in shown["attempts"]] == [0, 1, 2, 3, 4]


def test_a_name_that_is_taken_is_refused_before_anything_runs(cli, night):
    done = cli("run", str(SMALL), "--name", "night", "--device", "scripted:card.toml")
    assert done.returncode == 2
    assert "night" in done.stderr.splitlines()[-1]


def test_a_number_that_the_run_does_not_have_is_refused_with_those_it_has(cli, night):
    done = cli("show", "night:7")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "0 to 2" in done.stderr


def test_a_run_in_which_nothing_passes_ends_with_exit_code_1(cli, card):
    done = cli("run", str(SMALL), "--attempts", "1", "--name", "short", *card)
    assert done.returncode == 1
    assert "no candidate passed" in done.stdout
    done = cli("best", "short")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


def test_judge_exits_0_for_a_kernel_that_passes_and_1_for_one_that_does_not(cli, card, tmp_path, matmul_with):
    (tmp_path / "good.c").write_text(matmul_with("honest;"))
    (tmp_path / "bad.c").write_text(matmul_with("/* Broken on purpose */"))
    good = cli("judge", str(SMALL), "good.c", "--json", *card)
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["utilization"] > 0
    bad = cli("judge", str(SMALL), "bad.c", *card)
    assert bad.returncode == 1
    assert bad.stdout.startswith("incorrect")


def test_a_duel_with_the_vendor_line_needs_no_other_file(cli, card, tmp_path, matmul_with):
    (tmp_path / "mine.c").write_text(matmul_with("honest;"))
    done = cli("duel", str(SMALL), "mine.c", "vendor", *card)
    assert done.returncode == 0, done.stderr
    assert "vendor is faster" in done.stdout


def test_a_task_without_a_vendor_line_says_so(cli, tmp_path, matmul_with):
    mine = shutil.copytree(SMALL, tmp_path / "mine")
    spec = (mine / "task.toml").read_text()
    (mine / "task.toml").write_text(spec.replace('vendor = "openblas"', ""))
    (tmp_path / "mine.c").write_text(matmul_with("honest;"))
    done = cli("duel", str(mine), "mine.c", "vendor")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "vendor" in done.stderr


def test_recorded_attempts_duel_by_their_names(cli, night):
    best, first = night["best"]["number"], night["promotions"][0]["number"]
    names = [f"night:{best}", f"night:{first}"]
    done = cli("duel", str(SMALL), *names, "--json", "--device", "scripted:card.toml")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["a"] == f"night:{best}"


def test_replay_measures_the_recorded_candidates_again(cli, night):
    done = cli("replay", "night", "--measure", "improvements", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [pair["number"] for pair in told["attempts"]] == [step["number"] for step in night["promotions"]]
    assert all(pair["speedup"] > 0 for pair in told["attempts"])
    assert told["now"] == "night-replay-1"
    assert "recorded on" in cli("replay", "night", "--measure", "best").stdout
    names = [run["name"] for run in json.loads(cli("runs", "--json").stdout)]
    assert names == ["night", "night-replay-1", "night-replay-2"]


def test_a_candidate_that_fails_cannot_duel(cli, card, tmp_path, matmul_with):
    (tmp_path / "good.c").write_text(matmul_with("honest;"))
    (tmp_path / "bad.c").write_text("this is no C")
    done = cli("duel", str(SMALL), "good.c", "bad.c", *card)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no duel: rejected: B: no function matmul" in done.stderr


def test_doctor_finds_what_a_cpu_run_needs(cli):
    done = cli("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert {"C compiler", "CPU", "cores", "GPU", "GPU libraries", "sandbox", "write access", "disk space"} <= set(
        findings
    )
    assert done.returncode == 0
    assert "GFLOP/s" in findings["CPU"]["found"]


def test_doctor_says_the_remedy_where_no_compiler_is_found_and_exits_with_1(cli, tmp_path):
    done = cli("doctor", PATH=str(tmp_path), CC="")
    assert done.returncode == 1
    assert "install gcc or clang" in done.stdout


def test_doctor_tries_the_endpoint_that_is_named(cli):
    done = cli("doctor", "--base-url", "http://127.0.0.1:9/v1", "--json")
    endpoint = next(f for f in json.loads(done.stdout) if f["name"] == "model endpoint")
    assert not endpoint["ok"]
    assert endpoint["remedy"]


@pytest.mark.parametrize(
    "inputs", ["nocase:1:" + "0" * 32, "main:1:" + "x" * 32, "main:99999999:" + "0" * 32, "main:0"]
)
def test_inputs_that_no_verdict_can_have_named_are_refused(cli, card, tmp_path, matmul_with, inputs):
    (tmp_path / "good.c").write_text(matmul_with("honest;"))
    done = cli("judge", str(SMALL), "good.c", "--inputs", inputs, *card)
    assert done.returncode == 2
    assert "the cases are" in done.stderr.splitlines()[-1]


def test_an_incorrect_verdict_names_inputs_that_bring_the_fault_back(cli, tmp_path, matmul_with, quick_machines):
    (tmp_path / "bad.c").write_text(matmul_with("honest; if (M > 3) C[3] += 1;"))
    verdict = cli("judge", str(SMALL), "bad.c", "--json")
    assert verdict.returncode == 1, verdict.stderr
    detail = json.loads(verdict.stdout)["detail"]
    inputs = detail.partition("[inputs ")[2].rstrip("]")
    again = cli("judge", str(SMALL), "bad.c", "--inputs", inputs)
    assert again.returncode == 1
    assert "C[0,3]" in again.stdout
    (tmp_path / "good.c").write_text(matmul_with("honest;"))
    assert cli("judge", str(SMALL), "good.c", "--inputs", inputs).returncode == 0
