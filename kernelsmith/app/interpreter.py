"""Check the Python interpreter that will run the harness (the separate program that judges candidates): its version,
and the modules that a task needs.
"""

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
"""The program that the interpreter runs: it prints its version and which of the modules named as arguments it lacks."""
OLDEST = (3, 11)
"""The oldest Python version that can run the harness."""
EXTRAS = {"numpy": "numpy", "cupy": "cupy-cuda13x", "triton": "triton"}
"""The package to install, by the name of the missing module."""
TIMEOUT_S = 30
"""Seconds within which the interpreter must answer."""


@dataclass(frozen=True, slots=True)
class InterpreterFault:
    """The reason why a Python interpreter cannot run the harness (the program that judges candidates), and what the
    user can do about it, both in words. `missing` makes it.
    """

    found: str
    """The fault in words: `python3.9 is Python 3.9`."""
    remedy: str
    """Remedy for the user: `the harness needs 3.11 or later`."""

    @property
    def line(self) -> str:
        """Return reason and remedy as one line for the user, separated by a semicolon."""
        return f"{self.found}; {self.remedy}"


def missing(python: str | None, modules: Sequence[str]) -> InterpreterFault | None:
    """Return why an interpreter cannot run the harness, or None if it can; nothing is raised. `python` is the
    interpreter's path or name (None = the one that runs this program), and `modules` are the names of the modules that
    it must find. The interpreter is started and must answer within 30 seconds.
    """
    program, option = python or sys.executable, f"--harness-python {python}: " if python else ""
    try:
        done = subprocess.run(
            [program, "-I", "-c", QUESTION, *modules], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        version, absent = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return InterpreterFault(
            f"{option}{program} does not run as a Python 3.11 or later", "name one with --harness-python PATH"
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
    """Return an absolute path for `python`, the path of an interpreter or a name on the PATH, so that it is found from
    any working directory. Symbolic links are not followed, because Python recognizes a virtual environment by the path
    of the link.
    """
    return os.path.abspath(shutil.which(python) or python)
