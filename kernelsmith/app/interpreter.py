"""The interpreter that is to run the harness: whether it starts, and whether it has what a task needs."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

QUESTION = (
    "import importlib.util as u, json, sys;"
    "print(json.dumps([list(sys.version_info[:2]), [n for n in sys.argv[1:] if not u.find_spec(n)]]))"
)
OLDEST = (3, 11)
EXTRAS = {"numpy": "numpy", "cupy": "cupy-cuda13x", "triton": "triton"}
"""What to install for a missing module."""
TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class InterpreterFault:
    """A reason why an interpreter cannot run the harness, with the remedy."""

    found: str
    remedy: str

    @property
    def line(self) -> str:
        """Both in one line."""
        return f"{self.found}; {self.remedy}"


def missing(python: str | None, modules: Sequence[str]) -> InterpreterFault | None:
    """Return what an interpreter (None: our own) lacks to run the harness; None where it lacks nothing."""
    program, option = python or sys.executable, f"--harness-python {python}: " if python else ""
    try:
        done = subprocess.run(
            [program, "-I", "-c", QUESTION, *modules], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        version, absent = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return InterpreterFault(
            f"{option}{program} does not run as a Python 3.11 or later", "name an interpreter that does"
        )
    if tuple(version) < OLDEST:
        has, needed = (".".join(map(str, numbers)) for numbers in (version, OLDEST))
        return InterpreterFault(f"{option}{program} is Python {has}", f"the harness needs {needed} or later")
    if absent:
        packages = " ".join(EXTRAS.get(name, name) for name in absent)
        remedy = f"{program} -m pip install {packages}, or name another with --harness-python"
        return InterpreterFault(f"{option}{program} lacks {', '.join(absent)}", remedy)
    return None


def lasting(python: str) -> str:
    """Return the same program named from any folder; a link stays, for a virtual environment is known by its own."""
    return os.path.abspath(shutil.which(python) or python)
