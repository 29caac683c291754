"""Run programs of benchmarks/ and tests/gpu/ in new processes, because a process that has used a GPU keeps other
processes from judging on that GPU.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (ROOT, ROOT / "benchmarks", ROOT / "harness")
"""Folders from which a program imports modules, so that kernelsmith need not be installed."""


def run_program(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program with the interpreter of the tests, and return the exit status and the output."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, PACKAGES))}
    command = [sys.executable, str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
