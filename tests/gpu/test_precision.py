"""On a GPU: real kernels of honest and of cheaper arithmetic get the verdicts they deserve."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.gpu

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "precision.py"


@pytest.mark.parametrize("task", ["hopper_bf16_matmul", "hopper_fp8_matmul", "hopper_rmsnorm"])
def test_every_kernel_gets_the_verdict_that_its_arithmetic_deserves(task: str) -> None:
    # In a process of its own: one that has computed on the GPU keeps other judges off it.
    done = subprocess.run([sys.executable, str(PROGRAM), task], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "judged on" in done.stdout
