"""The interpreter that is to run the harness: whether it starts, and whether it has what a task needs."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

QUESTION = (
    "import importlib.util as u, json, sys;"
    "print(json.dumps([list(sys.version_info[:2]), [n for n in sys.argv[1:] if not u.find_spec(n)]]))"
)
OLDEST = (3, 11)
EXTRAS = {"numpy": "numpy", "cupy": "cupy-cuda13x", "triton": "triton"}
"""What to install for a missing module."""
TIMEOUT_S = 30


def missing(python: str | None, modules: Sequence[str]) -> str | None:
    """What keeps an interpreter (None: our own) from running the harness, in one line; None where nothing does."""
    program, option = python or sys.executable, f"--harness-python {python}: " if python else ""
    try:
        done = subprocess.run(
            [program, "-I", "-c", QUESTION, *modules], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        version, absent = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return f"{option}{program} does not run as a Python 3.11 or later; name an interpreter that does"
    if tuple(version) < OLDEST:
        told, wanted = (".".join(map(str, numbers)) for numbers in (version, OLDEST))
        return f"{option}{program} is Python {told}; the harness needs {wanted} or later"
    if absent:
        packages = " ".join(EXTRAS.get(name, name) for name in absent)
        remedy = f"{program} -m pip install {packages}, or name another with --harness-python"
        return f"{option}{program} lacks {', '.join(absent)}; {remedy}"
    return None


def lasting(python: str) -> str:
    """The same program named from any folder; a link stays, for a virtual environment is known by its own."""
    return os.path.abspath(shutil.which(python) or python)
