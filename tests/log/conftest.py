"""Fixtures for tests of the log: an empty log, attempts of every kind, copies of databases of earlier versions."""

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
    """Return the function that makes an attempt from its number and a verdict; see attempts.attempt."""
    return attempt


@pytest.fixture
def task() -> Snapshot:
    """Return the files of a small task's folder."""
    return TASK


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], Path]:
    """Return a function that copies a committed database into `tmp_path`, so that a test may write to it."""
    return lambda database: Path(shutil.copy(database, tmp_path / database.name))


@pytest.fixture
def verdicts() -> dict[str, Verdict]:
    """Return a verdict of every kind, by a name such as `passed` or `promoted`."""
    return VERDICTS


@pytest.fixture
def config() -> RunConfig:
    """Return a config in which every field differs from its default, if that is possible."""
    return RunConfig(
        task="cpu_matmul", proposer="model", budget=Budget(attempts=None, hours=2.5, usd=3.0, target=0.9), seed=7,
        model="m", base_url="http://localhost/v1", from_file="a.c", plateau=5, history_tokens=900, temperature=0.5,
        price_per_mtok=(0.5, 1.5), calibration_s=0.25, trust_candidates=True,
    )  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a log that does not exist yet, in a folder that does not exist yet."""
    return tmp_path / "runs" / "attempts.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """Create an empty log at `path` and yield it, open for writing; close it after the test."""
    with open_store(path) as opened:
        yield opened
