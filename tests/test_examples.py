"""The examples run as they stand, and leave a log that the command line reads."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_hello_wires_a_run_that_show_reads_back(tmp_path, small_task):
    command = [sys.executable, str(ROOT / "examples" / "hello.py"), str(small_task.folder), "4"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "4 attempts made" in done.stdout
    show = [sys.executable, "-m", "kernelsmith.cli", "show", "hello-1", "--json"]
    told = subprocess.run(show, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert len(json.loads(told.stdout)["attempts"]) == 4
