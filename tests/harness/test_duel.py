"""A duel: what counts in it, and when it does not count at all."""

from types import SimpleNamespace

import numpy as np
import pytest

from harness.judging import duel, promote
from harness.judging.opened import Overhead


class Side:
    """A stand whose turns take as long as they are told to."""

    def __init__(self, *seconds: float) -> None:
        self._seconds = list(seconds)
        self.turns = 0

    def refresh(self, sets: range, key: str) -> None:
        """Nothing to fill."""

    def keep(self, sets: range, key: str):
        """Nothing to write anew."""
        return lambda: None

    def run(self, sets: range, key: str, *, deadline_s: float):
        """The next turn; the last time is that of all further ones."""
        self.turns += 1
        call_s = self._seconds.pop(0) if len(self._seconds) > 1 else self._seconds[0]
        return SimpleNamespace(reading=SimpleNamespace(call_s=call_s), verify=lambda rng: None)


class Quiet:
    """A watch that counts, and sees nothing."""

    looked = 0

    def look(self, *, batches: int = 1) -> None:
        self.looked += batches

    def disturbance(self) -> str:
        return ""


def fought(contender: Side, incumbent: Side, watch: Quiet) -> duel.Duel:
    return duel.fight(contender, incumbent, quads=4, deadline_s=1.0, futility_every=2, watch=watch)


def test_a_first_turn_that_loads_code_counts_for_nobody() -> None:
    watch = Quiet()
    found = fought(Side(0.5, 1e-3), Side(2e-3), watch)
    assert found.ratios == pytest.approx(np.full(4, 2.0))
    assert found.won
    assert found.contender_s == 1e-3
    assert watch.looked == 2 + 4 * duel.TURNS


def test_a_duel_that_cannot_be_won_any_more_ends() -> None:
    contender = Side(1e-3)
    found = fought(contender, Side(1e-3), Quiet())
    assert len(found.ratios) == 2
    assert contender.turns == 1 + 2 * 2
    assert not found.won


def test_who_wins_faster_than_its_single_calls_allow_has_won_in_company() -> None:
    opened = SimpleNamespace(overheads={"cuda": {0.0: Overhead(0.0, 0.0)}}, single_ratio=1.0)
    worker, won = SimpleNamespace(language="cuda"), duel.Duel(np.full(4, 1.3), 4, "", 1e-3)
    assert promote.won_in_company(opened, worker, won, single_us=1200.0)
    assert not promote.won_in_company(opened, worker, won, single_us=1050.0)
    assert not promote.won_in_company(opened, worker, won, single_us=None)
