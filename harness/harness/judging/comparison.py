"""Two built candidates in turn on the main case: with which terms, in which slots, and beside the vendor line."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.contract import TIMING
from harness.judging import duel
from harness.judging.open_task import OpenTask
from harness.worker import Profile, Worker, WorkerDied, WorkerOverdue

DUEL_S: float = TIMING["duel"]["most_s"]
"""A duel of slow kernels has fewer quads, so that it takes no longer than this ..."""
MIN_DUEL_QUADS: int = TIMING["duel"]["fewest_quads"]
"""... but never fewer than these."""
MIN_VENDOR_QUADS: int = TIMING["vendor"]["fewest_quads"]
"""Fewer quads tell no more than the ratio of the scores."""


@dataclass(frozen=True, slots=True)
class OpponentKernel:
    """The other side of a comparison: what is run, and what its worker may have where that is not the usual."""

    artifact: Path
    profile: Profile | None = None


@dataclass(frozen=True)
class PairedComparison:
    """A contender's worker, and the rival that runs in the other slot."""

    opened: OpenTask
    contender: Worker
    rival: OpponentKernel

    def terms(self, calls_s: float, *, most_quads: int | None = None, give_up: bool = True) -> duel.DuelTerms:
        """Return the terms of a duel; `calls_s` is one call of either side together, seconds."""
        pace = self.opened.pace
        calls = self.calls_in_a_turn(calls_s, turn_s=pace.turn_s)
        quads = int(np.clip(DUEL_S / (2 * calls * calls_s), MIN_DUEL_QUADS, pace.quads))
        quads = min(quads, most_quads or quads)
        return duel.DuelTerms(quads, calls, calls_s / 2 < pace.graph_below_s, pace.futility_every if give_up else quads)

    def calls_in_a_turn(self, calls_s: float, *, turn_s: float) -> int:
        """Return one, unless calls are so short that the deducted overhead would decide the duel."""
        most = self.opened.plan(self.opened.main, pilot_s=calls_s / 2).calls
        return int(np.clip(turn_s / (calls_s / 2), 1, most))

    def fight(self, terms: duel.DuelTerms) -> duel.Duel:
        """Fight a duel.

        Raises:
            Failed, WorkerDied, WorkerOverdue: the contender fails.
            IncumbentFailed: the rival fails.
        """
        opened = self.opened
        with self._rivals_worker() as other:
            ours, theirs = (
                opened.session(worker, opened.main, sets=terms.calls, slot=slot).after(opened.pace.turn_idle_s)
                for slot, worker in enumerate((self.contender, other))
            )
            return duel.fight(ours, theirs, terms, monitor=opened.device.monitor(self.contender, other))

    @contextmanager
    def _rivals_worker(self) -> Iterator[Worker]:
        with ExitStack() as stack:
            try:
                worker = stack.enter_context(
                    self.opened.worker(self.rival.artifact, slot=1, profile=self.rival.profile)
                )
            except (WorkerDied, WorkerOverdue) as death:
                raise duel.failed_incumbent(death) from death
            yield worker


def beside_vendor(opened: OpenTask, contender: Worker, *, call_s: float) -> duel.Duel | None:
    """Run a candidate and the vendor line in turn; on a GPU a turn is as long as a batch that is scored.

    Returns None where there is no vendor line, or enough quads would take too long.

    Raises:
        Failed, WorkerDied, WorkerOverdue: the candidate fails.
        IncumbentFailed: the vendor line fails.
    """
    pace, measured = opened.pace, opened.calibration.vendor
    if measured is None:
        return None
    comparison = PairedComparison(opened, contender, OpponentKernel(measured.vendor.artifact, measured.vendor.profile))
    calls_s = call_s + measured.call_s
    calls = comparison.calls_in_a_turn(calls_s, turn_s=pace.vendor_turn_s)
    quads = min(pace.vendor_quads, int(pace.vendor_s / (2 * calls * calls_s)))
    if quads < MIN_VENDOR_QUADS:
        return None
    return comparison.fight(duel.DuelTerms(quads, calls, calls_s / 2 < pace.graph_below_s))
