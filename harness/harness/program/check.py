"""Run the command `check`: find out whether a judge would accept a task folder, without a device and without a
candidate.
"""

import contextlib
import sys
from pathlib import Path

from harness.checking import benchmark_check
from harness.errors import TaskFault
from harness.wire import text as hygiene


def task_fault(folder: Path) -> str:
    """Load the task folder at the path `folder` and run the functions of its benchmark.py as a check. Return one line
    that says what the task's author must correct, or an empty string if a judge would accept the folder.

    What benchmark.py prints goes to stderr, because stdout carries the answer.
    """
    with contextlib.redirect_stdout(sys.stderr):
        try:
            benchmark_check.load(folder)
        except TaskFault as fault:
            return hygiene.text(str(fault))
    return ""
