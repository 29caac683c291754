"""A run on a real terminal: the view, and what Ctrl-C means."""

import json
import re
import sys
from pathlib import Path

import pexpect
import pytest

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"


@pytest.fixture
def terminal(tmp_path, environment):
    """Start `kernelsmith` on a pseudo-terminal of 120 columns."""
    (tmp_path / "quick.toml").write_text("calibration_s = 0.1\n")

    def start(*arguments: str) -> pexpect.spawn:
        command = ["-m", "kernelsmith.cli", *arguments]
        return pexpect.spawn(
            sys.executable, command, cwd=str(tmp_path), env=environment | {"TERM": "xterm-256color", "COLUMNS": "120"},
            dimensions=(40, 120), timeout=60, encoding="utf-8",
        )  # fmt: skip

    return start


def status_of(cli, name: str) -> str:
    """The run's derived status."""
    return next(run["status"] for run in json.loads(cli("runs", "--json").stdout) if run["name"] == name)


def test_on_a_terminal_the_view_is_drawn_and_the_summary_stays(terminal, card):
    child = terminal("run", str(SMALL), "--attempts", "4", "--name", "seen", *card)
    child.expect("go on with `.* resume seen`")
    child.expect("of 4 asks")
    child.expect("of peak")
    child.expect("4 asks, 4 attempts")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_the_first_interrupt_ends_after_the_attempt_in_flight(cli, terminal):
    child = terminal("run", str(SMALL), "--attempts", "500", "--name", "long", "--config", "quick.toml")
    child.expect(re.compile(r"[1-9]\d* of 500 asks"))
    child.sendintr()
    child.expect("stopping after the attempt in flight")
    child.expect("stopped by the user")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert status_of(cli, "long") == "paused"
    made = json.loads(cli("runs", "--json").stdout)[0]["attempts"]
    done = cli("resume", "long", "--json", "--target", "0.0001")
    assert done.returncode in (0, 2), done.stderr
    assert json.loads(cli("runs", "--json").stdout)[0]["attempts"] >= made


def test_the_second_interrupt_ends_at_once_and_the_log_resumes(cli, terminal):
    child = terminal("run", str(SMALL), "--attempts", "500", "--name", "long", "--config", "quick.toml")
    child.expect(re.compile(r"[1-9]\d* of 500 asks"))
    child.sendintr()
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert status_of(cli, "long") in ("interrupted", "paused")
