"""On a GPU: the card, its memory and its workers keep the contracts of every device."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.gpu

CONTRACTS = Path(__file__).parent / "cuda_contracts.py"
ROOT = Path(__file__).parents[2]


def test_the_card_keeps_the_contracts_of_a_device() -> None:
    places = os.pathsep.join(map(str, (ROOT, ROOT / "harness", ROOT / "tests", os.environ.get("PYTHONPATH", ""))))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CONTRACTS)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": places}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
