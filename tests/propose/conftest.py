"""Asks, and histories that grow by what a proposer answers."""

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
    """An ask by number."""

    def make(number: int, stance: Stance = Stance.REFINE, *, parent: int | None = None) -> Ask:
        return Ask(number, Directive(stance, parent))

    return make


@pytest.fixture
def judged() -> Callable[..., History]:
    """The history with one more attempt: this proposal, with a verdict that it is incorrect unless one is given."""

    def add(history: History, proposal: Proposal, verdict: Verdict | None = None) -> History:
        asked = Ask(len(history.attempts), Directive(Stance.REFINE))
        attempt = Attempt(asked, proposal, verdict or Verdict(Status.INCORRECT, "C[0,0] is 1"), NOW, 1.0)
        return History(history.run, (*history.attempts, attempt))

    return add


@pytest.fixture
def empty() -> History:
    """A run that has not begun."""
    return History(Run(1, "night", RunConfig("small_matmul", "folder:kernels"), "0" * 64, NOW))
