"""On a GPU: real kernels of honest and of cheaper arithmetic get the verdicts they deserve."""

import pytest
from programs import ROOT, run_program

pytestmark = pytest.mark.gpu

PROGRAM = ROOT / "benchmarks" / "precision.py"


@pytest.mark.parametrize("task", ["hopper_bf16_matmul", "hopper_fp8_matmul", "hopper_rmsnorm"])
def test_every_kernel_gets_the_verdict_that_its_arithmetic_deserves(task: str) -> None:
    done = run_program(PROGRAM, task)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "judged on" in done.stdout
