"""The zoo: every folder of tests/exploits is a candidate with the verdict expected of it."""

import pytest

from kernelsmith import paths
from kernelsmith.app.zoo import ZooCandidate, load_zoo

ZOO = load_zoo(paths.exploits_folder(), device="cpu")


@pytest.fixture(params=ZOO, ids=lambda exploit: exploit.name)
def exploit(request: pytest.FixtureRequest) -> ZooCandidate:
    """Each C candidate of the zoo in turn."""
    found: ZooCandidate = request.param
    return found


@pytest.fixture
def zoo() -> list[ZooCandidate]:
    """All C candidates."""
    return ZOO
