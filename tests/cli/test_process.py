"""Every command in a process of its own, as users start it; other tests of this folder run most in this process."""

import json
import shutil
from pathlib import Path

import pytest

DATABASES = Path(__file__).parents[1] / "log" / "databases"
SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"
KERNEL = str(SMALL / "families" / "1_dot.c")
DEVICE = ("--device", "scripted:card.toml")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["runs"], "night"),
        (["show", "night"], "passed"),
        (["best", "night"], "void matmul("),
        (["diff", "night:0", "night:1"], "+"),
        (["replay", "night"], "attempt"),
        (["replay", "night", "--measure", "best"], "now"),
        (["resume", "night", "--attempts", "1"], "4 asks"),
        (["run", str(SMALL), "--attempts", "2", *DEVICE], "2 asks"),
        (["judge", str(SMALL), KERNEL, *DEVICE], "passed"),
        (["duel", str(SMALL), KERNEL, "vendor", *DEVICE], "vendor is faster"),
        (["tasks"], "cpu_matmul"),
        (["doctor"], "compiler"),
        (["selftest", "--help"], "selftest"),
        (["migrate", "--db", "old.db"], ""),
    ],
    ids=lambda value: " ".join(value[:1]) if isinstance(value, list) else "",
)
def test_a_command_in_its_own_process_prints_its_result_on_stdout_and_exits_with_0(
    cli_process, night, tmp_path, command, said
):
    shutil.copy(DATABASES / "v3.db", tmp_path / "old.db")
    done = cli_process(*command)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert "Traceback" not in done.stderr


def test_a_fault_exits_with_2_and_a_failed_check_with_1(cli_process, night):
    fault = cli_process("show", "no_such_run")
    assert (fault.returncode, fault.stdout, fault.stderr.count("\n")) == (2, "", 1)
    failed = cli_process("judge", str(SMALL), str(SMALL / "skeleton.c"), "--json", *DEVICE)
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["status"] == "incorrect"
