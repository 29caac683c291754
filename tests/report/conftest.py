"""What must never reach a terminal, how a report becomes JSON, and runs made by hand."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History
from kernelsmith.core.run import Event, EventKind
from kernelsmith.core.verdict import Batch, Duel, Facts, Interval, Promotion, Status
from kernelsmith.report.plain import plain

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
CONTROL = {"\x1b", "\x07", "\x00", "\x08", "\u202e", "\x9b", "\r"}


@pytest.fixture
def hostile() -> str:
    """Text that clears a screen, renames a window, rings, and turns the line around."""
    return "\x1b[2J\x1b]0;owned\x07\u202eevil\x00\x08\x9b1A\r\nerror"


@pytest.fixture
def assert_harmless() -> Callable[[str], None]:
    """The page holds no control character but line feeds, and the hostile text is visible in it."""

    def check(page: str) -> None:
        assert not CONTROL & set(page)
        assert "\\x1b[2J" in page

    return check


@pytest.fixture
def json_of() -> Callable[[Any], Any]:
    """A report as `--json` writes it and a reader reads it."""
    return lambda report: json.loads(json.dumps(plain(report), allow_nan=False))


@pytest.fixture
def rich(attempt_with) -> Callable[..., Attempt]:
    """An attempt with everything that a verdict may hold."""

    def build(number: int, **changes) -> Attempt:
        settings: dict[str, Any] = {
            "utilization": 0.4,
            "promotion": Promotion.DUEL,
            "parent": 0,
            "params": {"family": "tiled", "ROWS": 4},
            "duel": Duel(1.05, Interval(1.02, 1.08), 24),
            "facts": Facts(registers=64, spill_bytes=0, warnings=("unused i",), instructions={"fma": 9, "add": 2}),
            "batches": tuple(Batch("main", 2, 50_000.0, f"{key:032x}", {"sm_mhz": 1980.0}) for key in range(3)),
            "durations_s": {"build": 0.5, "timing": 1.25},
            "guards_s": {"poison": 0.0625, "verification": 0.1125},
            "isolation": 3,
            "notes": ("planned again",),
        }
        return attempt_with(number, **settings | changes)

    return build


@pytest.fixture
def night(attempt_with, history_with) -> Callable[..., History]:
    """A run of four attempts that climbs from 20 % to 40 % and has ended."""

    def build(**settings) -> History:
        ended = Event(EventKind.ENDED, NOW, data={"reason": "4 attempts made"})
        return history_with(
            attempt_with(0, status=Status.INCORRECT, detail="worst element C[3,4]: 1.0, not 2.0"),
            attempt_with(1, utilization=0.2, promotion=Promotion.FIRST, parent=0),
            attempt_with(2, status=Status.NO_CANDIDATE, detail="no fenced block"),
            attempt_with(3, utilization=0.4, promotion=Promotion.CLEAR, parent=1),
            **{"events": (ended,)} | settings,
        )

    return build


@pytest.fixture
def swept(attempt_with, history_with) -> History:
    """A run of two asks; the second one was answered with a kernel and a sweep of two more trials."""
    return history_with(
        attempt_with(0, utilization=0.2, promotion=Promotion.FIRST),
        attempt_with(1, utilization=0.3, promotion=Promotion.CLEAR, parent=0),
        attempt_with(2, utilization=0.25, parent=0, ask_number=1, trial=1),
        attempt_with(3, utilization=0.4, promotion=Promotion.CLEAR, parent=0, ask_number=1, trial=2),
    )
