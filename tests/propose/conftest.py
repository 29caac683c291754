"""Asks for tests of proposers, and histories to which a proposer's answers are added."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from kernelsmith.core.attempt import Ask, Attempt, Directive, Proposal, Stance
from kernelsmith.core.history import History
from kernelsmith.core.run import Run, RunConfig
from kernelsmith.core.verdict import Status, Verdict

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def ask() -> Callable[..., Ask]:
    """Return a function that makes an ask with a number."""

    def make(number: int, stance: Stance = Stance.REFINE, *, parent: int | None = None, seen: int = -1) -> Ask:
        return Ask(number, Directive(stance, parent), seen)

    return make


@pytest.fixture
def judged() -> Callable[..., History]:
    """Return a function that adds a failed attempt to a history: an answer to the next ask, or to the open ask `to`."""

    def add(history: History, proposal: Proposal, *, to: Ask | None = None) -> History:
        number = len(history.attempts)
        asked = to or Ask(len(history.asks), Directive(Stance.REFINE), number - 1)
        attempt = Attempt(number, asked, 0, proposal, Verdict(Status.INCORRECT, "C[0,0] is 1"), NOW, 1.0)
        asks = history.asks if asked in history.asks else (*history.asks, asked)
        return History(history.run, (*history.attempts, attempt), asks=asks)

    return add


@pytest.fixture
def empty() -> History:
    """Return the history of a run without asks and attempts."""
    return History(Run(1, "night", RunConfig("small_matmul", "folder:kernels"), "0" * 64, NOW))
