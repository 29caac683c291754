"""The command line as a user has it: a real process in an empty folder."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kernelsmith.core.attempt import Ask, Attempt, Directive, Origin, Proposal, Stance
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.history import History
from kernelsmith.core.run import Budget, Device, Event, EventKind, Run, RunConfig, VendorLine
from kernelsmith.core.verdict import Interval, Measurement, Promotion, Status, Verdict
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
DEVICE = Device(
    name="Test CPU",
    kind="cpu",
    peak=100e9,
    unit="fp32",
    isolation=3,
    spread=0.01,
    overhead_us=1.0,
    vendor=VendorLine("OpenBLAS (Test)", 25_000.0, 0.8),
)


@pytest.fixture
def attempt_with():
    """Build one attempt: `attempt_with(3, utilization=0.4, promotion=...)`, or with a status and a detail."""

    def build(
        number: int,
        *,
        utilization: float | None = None,
        promotion: Promotion | None = None,
        status: Status = Status.PASSED,
        detail: str = "",
        hypothesis: str = "a hypothesis",
    ) -> Attempt:
        measurement = None
        if utilization is not None:
            time_us = 20_000 / utilization
            around = Interval(time_us * 0.99, time_us * 1.01)
            measurement = Measurement(
                time_us,
                around,
                utilization,
                utilization * 100e9,
                100e9,
                "fp32",
                time_us,
                vendor_ratio=utilization / 0.8,
            )
        verdict = Verdict(status, detail, measurement, promotion)
        ask = Ask(number, Directive(Stance.REFINE, reason="no duel won for 8 attempts"))
        candidate = Candidate(f"/* {number} */\nvoid matmul(void) {{}}\n", Language.C)
        return Attempt(ask, Proposal(Origin.TUNER, hypothesis, candidate), verdict, NOW, 2.0)

    return build


@pytest.fixture
def history_with():
    """A history of the given attempts."""

    def build(*attempts: Attempt, budget: Budget | None = None) -> History:
        config = RunConfig("cpu_matmul", "tuner", budget=budget or Budget(attempts=10))
        return History(Run(1, "night", config, "0" * 64, NOW), attempts, device=DEVICE)

    return build


@pytest.fixture
def recorded(tmp_path, attempt_with) -> Path:
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
        store.note(run, Event(EventKind.OPENED, NOW, data=asdict(DEVICE)))
        for attempt in attempts:
            store.ask(run, attempt.ask.directive)
            store.record(run, attempt)
        store.note(run, Event(EventKind.ENDED, NOW, data={"reason": "3 attempts made"}))
    return path
