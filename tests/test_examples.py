"""The examples run as they stand, and leave a log that the command line reads."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

from command_line import run_here

HELLO = Path(__file__).parents[1] / "examples" / "hello.py"


def test_hello_prints_each_attempt_of_its_two_sessions_while_it_searches(tmp_path, small_task):
    variables = os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")}
    command = [sys.executable, str(HELLO), str(small_task.folder), "2"]
    with subprocess.Popen(command, cwd=tmp_path, env=variables, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline(), process.stdout.readline()]
        assert process.poll() is None, "nothing was printed before the search had ended"
        lines += process.stdout.read().splitlines()
    assert process.returncode == 0
    assert lines[0] == "first the judge measures this machine, for about ten seconds\n"
    attempts = [line.split() for line in (*lines[1:3], *lines[4:6])]
    assert [words[:3] for words in attempts[:2]] == [["0", "open", "incorrect"], ["1", "repair", "passed"]]
    assert [words[0] for words in attempts] == ["0", "1", "2", "3"]
    assert attempts[1][4:] == ["of", "peak"]
    assert lines[3] == "small_matmul-1: two more asks in a second session"
    assert "`kernelsmith show small_matmul-1`" in lines[6]
    shown = json.loads(run_here(["show", "small_matmul-1", "--json"], folder=tmp_path, environment=variables).stdout)
    assert [attempt["number"] for attempt in shown["attempts"]] == [0, 1, 2, 3]
    assert [event["kind"] for event in shown["events"]].count("resume") == 1


def test_hello_has_at_most_25_lines_of_code():
    text = HELLO.read_text()
    docstring = ast.get_docstring(ast.parse(text), clean=False)
    code = [line for line in text.removeprefix(f'"""{docstring}"""').splitlines() if line.strip()]
    assert len(code) <= 25


def test_the_scripted_device_searches_a_task_that_ships(tmp_path):
    script = HELLO.parent / "scripted_device.toml"
    options = ["--device", f"scripted:{script}", "--attempts", "12", "--name", "night", "--json"]
    done = run_here(["run", "cpu_matmul", *options], folder=tmp_path, environment=os.environ)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["measured_on"], summary["passed"]) == ("scripted", 11)
    assert len(summary["promotions"]) >= 2
