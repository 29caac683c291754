"""Starts the programs of benchmarks/ and tests/gpu/ in new processes: one that used a GPU keeps judges off it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (ROOT, ROOT / "benchmarks", ROOT / "harness")
"""Folders that a program imports from, whether or not kernelsmith is installed."""


def run_program(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program with this interpreter and return its status and its output."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, PACKAGES))}
    command = [sys.executable, str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
