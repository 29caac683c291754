"""Ask the harness whether it accepts a task folder: it runs benchmark.py in a process of its own, which then ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

from kernelsmith import paths
from kernelsmith.core import caps
from kernelsmith.errors import HarnessError, TaskError
from kernelsmith.judge_client.process import ENVIRONMENT, SINGLE_THREADED

CHECK_S = 120.0
"""Deadline of the check in seconds; a reference on a task's smallest case takes well under a second."""


def require_working_benchmark(folder: Path, *, python: str | None) -> None:
    """Check the task in `folder`: start the harness, which calls the functions of benchmark.py in a new process. Return
    nothing. `python` is the path of the harness's interpreter, None for the one that runs this program. Raises
    TaskError with the judge's line if the judge would refuse the folder or 120 s pass, HarnessError if the check cannot
    run.
    """
    answer = _answer(folder, python or sys.executable)
    if fault := answer["fault"]:
        raise TaskError(caps.cut(str(fault), caps.NAME))


def _answer(folder: Path, python: str) -> dict[str, object]:
    options = [f"--cache={paths.cache_folder()}", f"--task={folder}"]
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ} | SINGLE_THREADED
    try:
        done = subprocess.run(
            [python, "-I", str(paths.harness_folder()), "check", *options],
            capture_output=True, text=True, errors="replace", check=False, timeout=CHECK_S, env=environment,
        )  # fmt: skip
        return dict(json.loads(done.stdout.splitlines()[-1]))
    except subprocess.TimeoutExpired as error:
        raise TaskError(f"benchmark.py: its functions did not return within {CHECK_S:g} s") from error
    except OSError as error:
        raise HarnessError(f"{python} does not run: {error.strerror}") from error
    except (IndexError, ValueError, TypeError, RecursionError) as error:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise HarnessError(f"the check of benchmark.py ended with status {done.returncode}: {last}") from error
