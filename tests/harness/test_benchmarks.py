"""The benchmarks keep up with the judge's interfaces: `make bench` is not part of the suite."""

import importlib

import pytest
from programs import ROOT, run_program

from kernelsmith.judge_client import gpu

BENCHMARKS = ROOT / "benchmarks"
MODULES = sorted(
    ".".join(path.relative_to(BENCHMARKS).with_suffix("").parts)
    for path in (*BENCHMARKS.glob("*.py"), *BENCHMARKS.glob("timing/[a-z]*.py"))
)


@pytest.mark.parametrize("name", MODULES)
def test_every_benchmark_can_be_imported(name: str) -> None:
    assert importlib.import_module(name).__doc__


@pytest.mark.judge
@pytest.mark.skipif(not gpu.missing(), reason="it would run here")
def test_a_program_of_the_gpu_tests_starts_and_says_that_it_needs_a_gpu() -> None:
    done = run_program(ROOT / "tests" / "gpu" / "products.py")
    assert "needs an NVIDIA GPU" in done.stderr
