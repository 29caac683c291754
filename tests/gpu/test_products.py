"""On a GPU: the product check of a batch is right at every size, and knows which call is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.gpu

PROGRAM = Path(__file__).parent / "products.py"


def test_products_of_every_size_are_told_apart() -> None:
    done = subprocess.run([sys.executable, str(PROGRAM)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
