"""`judge --reveal` shows a failure in a hidden case; nothing else that the program prints, sends or stores shows it."""

import json
from pathlib import Path

import pytest
from programs import ROOT

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"
SCRIPT = """
peak = 1.0e9
[[candidates]]
call_s = 0.1
events = [{ batch = 1, mistake = "SECRET: C[3,4] = 1, should be 2" }]
"""
KERNEL = "void matmul(const float *A, const float *B, float *C, int M, int N, int K) {}\n"


@pytest.fixture
def wrong(tmp_path) -> list[str]:
    """Options that take a device on which `wrong.c` fails in a hidden case."""
    (tmp_path / "card.toml").write_text(SCRIPT)
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "wrong.c").write_text(KERNEL)
    return ["--device", "scripted:card.toml"]


def test_the_owner_of_a_task_sees_what_went_wrong_in_a_hidden_case(cli, wrong):
    done = cli("judge", str(SMALL), "kernels/wrong.c", "--reveal", "--json", *wrong)
    assert done.returncode == 1
    assert json.loads(done.stdout)["detail"] == "hidden case odd: SECRET: C[3,4] = 1, should be 2"


def test_without_the_option_only_the_kind_of_the_hidden_case_is_shown(cli, wrong):
    done = cli("judge", str(SMALL), "kernels/wrong.c", *wrong)
    assert done.returncode == 1
    assert "wrong in a hidden case: sizes not a multiple of 8" in done.stdout
    assert "SECRET" not in done.stdout + done.stderr


def test_a_run_neither_shows_nor_stores_what_went_wrong_in_a_hidden_case(cli, wrong, tmp_path):
    done = cli("run", str(SMALL), "--proposer", "folder:kernels", "--attempts", "2", "--name", "own", *wrong)
    shown = cli("show", "own", "--json")
    assert "wrong in a hidden case: sizes not a multiple of 8" in shown.stdout
    assert "SECRET" not in done.stdout + done.stderr + shown.stdout
    for path in (path for path in (tmp_path / "runs").rglob("*") if path.is_file()):
        assert b"SECRET" not in path.read_bytes(), path


def test_reveal_is_refused_together_with_inputs(cli, wrong):
    done = cli("judge", str(SMALL), "kernels/wrong.c", "--reveal", "--inputs", f"odd:1:{'0f' * 16}", *wrong)
    assert done.returncode == 2
    assert "--reveal: cannot be combined with --inputs" in done.stderr


def test_only_the_command_judge_asks_for_a_revealed_verdict():
    callers = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "kernelsmith").rglob("*.py")
        if "submit_revealed(" in path.read_text() or "reveal_hidden" in path.read_text()
    ]
    assert sorted(callers) == ["kernelsmith/cli/judge.py", "kernelsmith/judge_client/harness.py"]
