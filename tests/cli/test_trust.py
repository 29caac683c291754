"""Code of a task in a log from elsewhere runs once the user trusts its digest; reading a run never runs code."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from command_line import run_here
from scripted import CARD

from kernelsmith.core.snapshot import snapshot_of

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"


@pytest.fixture
def elsewhere(cli, scripted_own, tmp_path):
    """Run a command on a machine on which the task of the run was never named; it has a name for what it remembers."""
    shutil.rmtree(scripted_own)

    def run(*arguments: str, machine: str = "first"):
        return cli(*arguments, XDG_STATE_HOME=str(tmp_path / "machines" / machine))

    return run


COMMANDS = (["resume", "own", "--attempts", "1", "--trust-run"], ["replay", "own", "--measure", "best"])
"""The first judges on the run's scripted device, the second on this machine, as the run was started elsewhere."""


@pytest.mark.parametrize("command", COMMANDS)
def test_the_code_of_an_unknown_task_runs_once_it_is_trusted(elsewhere, tmp_path, command):
    refused = elsewhere(*command)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    option = refused.stderr.split("give ")[1].split()
    assert option[0] == "--trust-task"
    assert not (tmp_path / "machines").exists()
    benchmark = tmp_path / refused.stderr.split("; read ")[1].split(", then")[0]
    assert benchmark.read_bytes() == (SMALL / "benchmark.py").read_bytes(), "what would run can be read"

    wrong = elsewhere(*command, "--trust-task", "0" * 64)
    assert (wrong.returncode, wrong.stderr) == (2, refused.stderr)
    trusted = elsewhere(*command, *option)
    assert trusted.returncode == 0, trusted.stderr
    (remembered,) = (tmp_path / "machines").rglob("trusted-tasks")
    assert remembered.read_text().split() == [snapshot_of(SMALL).fingerprint]
    assert elsewhere(*command).returncode == 0, "what was trusted once is remembered"
    assert elsewhere(*command, machine="second").returncode == 2, "by the machine, and not by the log"


def test_the_digest_of_a_trusted_task_does_not_cover_other_files(cli, own):
    shutil.rmtree(own)
    shutil.rmtree(own.parent / "runs" / "own")
    with sqlite3.connect(own.parent / "runs" / "attempts.db") as log:
        forged = "SELECT blob FROM snapshots WHERE path = 'description.md'"
        log.execute(f"UPDATE snapshots SET blob = ({forged}) WHERE path = 'benchmark.py'")
    log.close()
    done = cli("resume", "own", "--attempts", "1")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "the log's copy of the task of own is not the task with the digest" in done.stderr


@pytest.mark.parametrize(
    "command",
    [["show", "own"], ["show", "own:1"], ["diff", "own:0", "own:1"], ["diff", "own", "own"], ["best", "own"],
     ["runs"], ["replay", "own"], ["tasks"]],
)  # fmt: skip
def test_reading_a_run_runs_none_of_its_code(loud, cli, command):
    assert cli(*command, folder=loud.parent).returncode == 0
    assert not loud.exists()


def test_tasks_runs_the_code_of_a_folder_that_the_user_names_and_of_no_recorded_task(loud, cli):
    (copy,) = (loud.parent / "runs" / "own" / "task").glob("*/mine")
    of_the_log = cli("tasks", str(copy), folder=loud.parent)
    assert of_the_log.returncode == 0
    assert "benchmark.py was not checked: this folder is a log's copy of a task" in of_the_log.stderr
    assert not loud.exists()
    assert cli("tasks", "mine", folder=loud.parent).returncode == 0
    assert loud.exists()
    loud.unlink()


@pytest.fixture(scope="module")
def loud(tmp_path_factory, environment) -> Path:
    """A file that the task of a run named own writes whenever its benchmark.py is imported; it is not there."""
    folder = tmp_path_factory.mktemp("loud")
    (folder / "card.toml").write_text(CARD)
    written, benchmark = folder / "imported", Path(shutil.copytree(SMALL, folder / "mine")) / "benchmark.py"
    benchmark.write_text(f"{benchmark.read_text()}\nopen({str(written)!r}, 'w').close()\n")
    options = ["--attempts", "2", "--name", "own", "--device", "scripted:card.toml"]
    assert run_here(["run", "mine", *options], folder=folder, environment=environment).returncode == 0
    written.unlink()
    return written
