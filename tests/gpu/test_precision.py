"""On a GPU: real kernels of honest and of cheaper arithmetic get the verdicts they deserve."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.gpu

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("task", ["hopper_bf16_matmul", "hopper_fp8_matmul", "hopper_rmsnorm"])
def test_every_kernel_gets_the_verdict_that_its_arithmetic_deserves(task: str, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "harness"))
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    precision = pytest.importorskip("precision")
    assert precision.print_judged(task), "see the lines marked WRONG"
