"""Attempts of every kind, a log in an empty folder, and copies of the databases that earlier versions wrote."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kernelsmith.core.attempt import Ask, Attempt, Directive, NoCandidate, Origin, Proposal, Stance
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.run import Budget, RunConfig
from kernelsmith.core.snapshot import Snapshot
from kernelsmith.core.task import Unit
from kernelsmith.core.verdict import (
    Batch,
    Duel,
    Facts,
    Figure,
    Interval,
    Measurement,
    Promotion,
    Status,
    Verdict,
)
from kernelsmith.log.store import Store, open_store

DATABASES = Path(__file__).parent / "databases"
COMMITTED = sorted(DATABASES.glob("v*.db"))
"""A small database of every schema version."""
RECORDED = sorted((DATABASES / "recorded").glob("*.db"))
"""Logs of real runs, schema 3."""

AT = datetime(2026, 11, 23, 12, 30, 1, 250_000, tzinfo=UTC)

MEASUREMENT = Measurement(
    time_us=21_000.5, interval_us=Interval(20_000.0, 22_000.0), utilization=0.912, rate=1.0e11, peak=1.1e11,
    unit=Unit.FP32, pilot_us=25_000.0, vendor_ratio=1.03, vendor_paired=True, single_us=None, sustained_us=None,
    utilization_at_clock=None,
)  # fmt: skip
FACTS = Facts(
    registers=64, spill_bytes=0, text_bytes=900, vector_bits=256, warnings=("unused",), instructions={"fma": 9}
)
BATCHES = tuple(Batch("main", 2, 21_000.0 + i, f"{i:032x}", {"sm_mhz": 1980.0}) for i in range(3))

VERDICTS = {
    "no candidate": Verdict(Status.NO_CANDIDATE, "no fenced block: I give up"),
    "rejected": Verdict(Status.REJECTED, "identical to 3"),
    "build failed": Verdict(Status.BUILD_FAILED, "candidate.c:3: error: expected ';'", isolation=3, facts=FACTS),
    "crashed": Verdict(Status.CRASHED, "killed by SIGSEGV", durations_s={"build": 0.2}, isolation=3),
    "timed out": Verdict(Status.TIMED_OUT, "deadline"),
    "incorrect": Verdict(Status.INCORRECT, "worst C[0,0]\nzweite Zeile: ungültig ✗"),
    "tampered": Verdict(Status.TAMPERED, "late writes", batches=BATCHES),
    "passed": Verdict(Status.PASSED, measurement=MEASUREMENT, notes=("planned again",),
        disturbed=(Figure.TIMING, Figure.VENDOR)),
    "promoted": Verdict(
        Status.PASSED, measurement=MEASUREMENT, promotion=Promotion.DUEL, batches=BATCHES, facts=FACTS, isolation=2,
        duel=Duel(1.05, Interval(1.02, 1.08), 24), durations_s={"build": 0.5, "timing": 1.5},
        guards_s={"poison": 0.125, "guard bands": 0.01},
    ),
}  # fmt: skip


TASK = Snapshot({"task.toml": b'title = "t"\n', "families/1.c": b"void f(void) {}\n"})


def attempt(
    number: int, verdict: Verdict, *, source: str | None = None, ask: Ask | None = None, trial: int = 0, line: int = 0
) -> Attempt:
    """Return an attempt with this verdict; it has a distinct source unless one is given."""
    ask = ask or Ask(number, Directive(Stance.REFINE, parent=number - 1 if number else None, reason="why"), number - 1)
    if verdict.status is Status.NO_CANDIDATE:
        proposal = Proposal(Origin.MODEL, "none", None, reason=NoCandidate.NO_BLOCK, said="I give up")
        return Attempt(number, ask, trial, proposal, verdict, AT, 2.25, line)
    text = source or f"void matmul(void) {{ /* {number} ✓ */ }}\n"
    proposal = Proposal(Origin.TUNER, "wider tiles", Candidate(text, Language.C, {"MR": 6, "f": "packed"}), 0)
    return Attempt(number, ask, trial, proposal, verdict, AT, 2.25, line, "EPYC")


def query(path: Path, statement: str, *parameters: object) -> Sequence[Any]:
    """Return the rows of a query by plain sqlite3, without the package's own tables."""
    with plain(path) as connection:
        return connection.execute(statement, parameters).fetchall()


@contextmanager
def plain(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database by plain sqlite3; what is done in it is committed at the end."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    try:
        yield connection
        connection.commit()
    finally:
        connection.close()


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
