"""A log in an empty folder, attempts of every kind, and copies of the databases that earlier versions wrote."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from log.attempts import TASK, VERDICTS, attempt

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.run import Budget, RunConfig
from kernelsmith.core.snapshot import Snapshot
from kernelsmith.core.verdict import Verdict
from kernelsmith.log.store import Store, open_store


@pytest.fixture
def make_attempt() -> Callable[..., Attempt]:
    """Build an attempt with a given verdict."""
    return attempt


@pytest.fixture
def task() -> Snapshot:
    """The files of a task's folder."""
    return TASK


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], Path]:
    """Copy a committed database, so that a test may open it for writing."""
    return lambda database: Path(shutil.copy(database, tmp_path / database.name))


@pytest.fixture
def verdicts() -> dict[str, Verdict]:
    """One of every kind."""
    return VERDICTS


@pytest.fixture
def config() -> RunConfig:
    """A config in which every field differs from its default where that is possible."""
    return RunConfig(
        task="cpu_matmul", proposer="model", budget=Budget(attempts=None, hours=2.5, usd=3.0, target=0.9), seed=7,
        model="m", base_url="http://localhost/v1", from_file="a.c", plateau=5, history_tokens=900, temperature=0.5,
        price_per_mtok=(0.5, 1.5), calibration_s=0.25, trust_candidates=True,
    )  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log will be; its folder does not exist yet."""
    return tmp_path / "runs" / "attempts.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """A log."""
    with open_store(path) as opened:
        yield opened
