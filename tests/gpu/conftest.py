"""These tests need a GPU: without one they end with a sentence."""

import pytest

from kernelsmith.judge_client import gpu


@pytest.fixture(scope="session", autouse=True)
def card() -> None:
    """Asked of the driver; nothing computes in this process."""
    if lack := gpu.missing():
        pytest.exit(f"these tests need an NVIDIA GPU: {lack}", returncode=pytest.ExitCode.USAGE_ERROR)
