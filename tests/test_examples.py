"""The examples run as they stand, and leave a log that the command line reads."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

from command_line import run_here

HELLO = Path(__file__).parents[1] / "examples" / "hello.py"


def test_hello_searches_resumes_and_reads_its_history(tmp_path, small_task):
    variables = os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")}
    command = [sys.executable, str(HELLO), str(small_task.folder), "2"]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *attempts, last = done.stdout.splitlines()
    assert [line.split()[:3] for line in attempts[:2]] == [["0", "open", "incorrect"], ["1", "repair", "passed"]]
    assert len(attempts) == 4
    assert "`kernelsmith show small_matmul-1`" in last
    shown = json.loads(run_here(["show", "small_matmul-1", "--json"], folder=tmp_path, environment=variables).stdout)
    assert [attempt["number"] for attempt in shown["attempts"]] == [0, 1, 2, 3]
    assert [event["kind"] for event in shown["events"]].count("resume") == 1


def test_hello_is_a_script_of_20_lines():
    text = HELLO.read_text()
    docstring = ast.get_docstring(ast.parse(text), clean=False)
    code = text.removeprefix(f'"""{docstring}"""').strip().splitlines()
    assert len(code) <= 20


def test_the_scripted_device_searches_a_task_that_ships(tmp_path):
    script = HELLO.parent / "scripted_device.toml"
    options = ["--device", f"scripted:{script}", "--attempts", "12", "--name", "night", "--json"]
    done = run_here(["run", "cpu_matmul", *options], folder=tmp_path, environment=os.environ)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["measured_on"], summary["passed"]) == ("scripted", 11)
    assert len(summary["promotions"]) >= 2
