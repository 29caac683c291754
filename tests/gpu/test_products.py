"""On a GPU: the product check of a batch is right at every size, and knows which call is wrong."""

from pathlib import Path

import pytest
from programs import run_program

pytestmark = pytest.mark.gpu

PROGRAM = Path(__file__).parent / "products.py"


def test_products_of_every_size_are_told_apart() -> None:
    done = run_program(PROGRAM)
    assert done.returncode == 0, done.stdout + done.stderr
