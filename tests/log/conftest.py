"""Attempts of every kind, and a log in an empty folder."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kernelsmith.core.attempt import Ask, Attempt, Directive, Origin, Proposal, Stance
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.run import Budget, RunConfig
from kernelsmith.core.verdict import (
    Batch,
    Duel,
    Facts,
    Interval,
    Measurement,
    Promotion,
    Status,
    Verdict,
)
from kernelsmith.log.store import Store, open_store

AT = datetime(2026, 11, 23, 12, 30, 1, 250_000, tzinfo=UTC)

MEASUREMENT = Measurement(
    time_us=21_000.5, interval_us=Interval(20_000.0, 22_000.0), utilization=0.912, rate=1.0e11, peak=1.1e11,
    unit="fp32", pilot_us=25_000.0, vendor_ratio=1.03, vendor_paired=True, single_us=None, sustained_us=None,
    utilization_at_clock=None,
)  # fmt: skip
FACTS = Facts(
    registers=64, spill_bytes=0, text_bytes=900, vector_bits=256, warnings=("unused",), instructions={"fma": 9}
)
BATCHES = tuple(Batch("main", 2, 21_000.0 + i, f"{i:032x}", {"sm_mhz": 1980.0}) for i in range(3))

VERDICTS = {
    "no candidate": Verdict(Status.NO_CANDIDATE, "no fenced block"),
    "rejected": Verdict(Status.REJECTED, "identical to 3"),
    "build failed": Verdict(Status.BUILD_FAILED, "candidate.c:3: error: expected ';'", isolation=3, facts=FACTS),
    "crashed": Verdict(Status.CRASHED, "killed by SIGSEGV", durations_s={"build": 0.2}, isolation=3),
    "timed out": Verdict(Status.TIMED_OUT, "deadline"),
    "incorrect": Verdict(Status.INCORRECT, "worst C[0,0]\nzweite Zeile: ungültig ✗"),
    "tampered": Verdict(Status.TAMPERED, "late writes", batches=BATCHES),
    "passed": Verdict(Status.PASSED, measurement=MEASUREMENT, notes=("planned again",)),
    "promoted": Verdict(
        Status.PASSED, measurement=MEASUREMENT, promotion=Promotion.DUEL, batches=BATCHES, facts=FACTS, isolation=2,
        duel=Duel(1.05, Interval(1.02, 1.08), 24), durations_s={"build": 0.5, "timing": 1.5},
        guards_s={"poison": 0.125, "guard bands": 0.01},
    ),
}  # fmt: skip


def attempt(number: int, verdict: Verdict, *, source: str | None = None, ask: Ask | None = None) -> Attempt:
    """An attempt with this verdict; a distinct source unless one is given."""
    ask = ask or Ask(number, Directive(Stance.REFINE, parent=number - 1 if number else None, reason="why"))
    if verdict.status is Status.NO_CANDIDATE:
        proposal = Proposal(Origin.MODEL, "none", None, reason=verdict.detail)
    else:
        text = source or f"void matmul(void) {{ /* {number} ✓ */ }}\n"
        proposal = Proposal(Origin.TUNER, "wider tiles", Candidate(text, Language.C, {"MR": 6, "f": "packed"}), 0)
    return Attempt(ask, proposal, verdict, AT, 2.25)


@pytest.fixture
def make_attempt() -> Callable[..., Attempt]:
    """An attempt with a given verdict."""
    return attempt


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
