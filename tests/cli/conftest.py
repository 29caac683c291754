"""The command line as a user has it: a real process in an empty folder."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kernelsmith.core.run import Budget, Event, EventKind, RunConfig
from kernelsmith.core.verdict import Promotion, Status
from kernelsmith.log.store import open_store

Cli = Callable[..., subprocess.CompletedProcess[str]]
SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"
KEYS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "KERNELSMITH_API_KEY")


def kernelsmith(
    arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], timeout_s: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "kernelsmith.cli", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """This process's environment without a configured model."""
    return {key: value for key, value in os.environ.items() if key not in KEYS}


@pytest.fixture
def cli(tmp_path: Path, environment: dict[str, str]) -> Cli:
    """Run `kernelsmith` with these arguments in an empty folder."""

    def run(
        *arguments: str, timeout_s: float = 120, folder: Path = tmp_path, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return kernelsmith(arguments, folder=folder, environment=environment | variables, timeout_s=timeout_s)

    return run


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> tuple[Path, dict[str, Any]]:
    """The folder of a run of three attempts, named night, that nobody may change; and its summary."""
    folder = tmp_path_factory.mktemp("night")
    (folder / "quick.toml").write_text("calibration_s = 0.1\n")
    options = ["--attempts", "3", "--name", "night", "--json", "--config", "quick.toml"]
    done = kernelsmith(["run", str(SMALL), *options], folder=folder, environment=environment)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


@pytest.fixture
def night(tmp_path: Path, small_run: tuple[Path, dict[str, Any]]) -> dict[str, Any]:
    """The same run in this test's own folder; its summary."""
    folder, summary = small_run
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return summary


NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def recorded(tmp_path, attempt_with, cpu_device) -> Path:
    """A database with a run named night, written through the store; its path."""
    path = tmp_path / "runs" / "attempts.db"
    attempts = (
        attempt_with(0, status=Status.INCORRECT, detail="worst element C[3,4]: 1.0, not 2.0"),
        attempt_with(1, utilization=0.2, promotion=Promotion.FIRST),
        attempt_with(2, utilization=0.4, promotion=Promotion.CLEAR),
    )
    with open_store(path) as store:
        config = RunConfig("cpu_matmul", "tuner", budget=Budget(attempts=3))
        run = store.create_run(config, name="night", task_digest="0" * 64)
        store.note(run, Event(EventKind.OPENED, NOW, data=asdict(cpu_device)))
        for attempt in attempts:
            store.ask(run, attempt.ask.directive)
            store.record(run, attempt)
        store.note(run, Event(EventKind.ENDED, NOW, data={"reason": "3 attempts made"}))
    return path
