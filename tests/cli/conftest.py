"""The command line as a user has it: a real process in an empty folder."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kernelsmith.core.run import Budget, Event, EventKind, RunConfig
from kernelsmith.core.verdict import Promotion, Status
from kernelsmith.log.store import open_store

Cli = Callable[..., subprocess.CompletedProcess[str]]
KEYS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "KERNELSMITH_API_KEY")


@pytest.fixture
def environment() -> dict[str, str]:
    """This process's environment without a configured model."""
    return {key: value for key, value in os.environ.items() if key not in KEYS}


@pytest.fixture
def cli(tmp_path: Path, environment: dict[str, str]) -> Cli:
    """Run `kernelsmith` with these arguments in an empty folder."""

    def run(
        *arguments: str, timeout_s: float = 120, folder: Path = tmp_path, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kernelsmith.cli", *arguments],
            cwd=folder,
            env=environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    return run


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
