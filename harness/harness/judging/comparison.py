"""Compare two built candidates, or a candidate and the vendor's library, in paired turns on the main case. This file
chooses the number of turns and of calls per turn; duel.py runs them.
"""

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
"""Longest time of a duel in seconds. A duel of slow kernels has fewer quads so that it ends within this time."""
MIN_DUEL_QUADS: int = TIMING["duel"]["fewest_quads"]
"""Smallest number of quads of a duel, even if they take longer than DUEL_S."""
MIN_VENDOR_QUADS: int = TIMING["vendor"]["fewest_quads"]
"""Smallest number of quads of a comparison with the vendor line. Fewer would say no more than the ratio of the scores.
"""


@dataclass(frozen=True, slots=True)
class OpponentKernel:
    """The kernel that runs against a contender in a duel: `artifact`, the path of its build, and `profile`, the memory
    limit, readable files and environment of its worker; None = the profile that every candidate's worker has.
    """

    artifact: Path
    profile: Profile | None = None


@dataclass(frozen=True)
class PairedComparison:
    """Two kernels to compare on the main case, the task's first timed case: the contender's running worker, and the
    rival's build, whose worker `fight` starts. Judging stages make one per comparison.
    """

    opened: OpenTask
    contender: Worker
    rival: OpponentKernel

    def terms(self, calls_s: float, *, most_quads: int | None = None, give_up: bool = True) -> duel.DuelTerms:
        """Return the terms of a duel: calls per turn, and number of quads (four turns in the order A B B A), at most
        `most_quads` and few enough for DUEL_S seconds. `calls_s` is the sum of one call of each side in seconds. With
        `give_up`, a duel that cannot be won any more ends early.
        """
        pace = self.opened.pace
        calls = self.calls_in_a_turn(calls_s, turn_s=pace.turn_s)
        quads = int(np.clip(DUEL_S / (2 * calls * calls_s), MIN_DUEL_QUADS, pace.quads))
        quads = min(quads, most_quads or quads)
        return duel.DuelTerms(quads, calls, calls_s / 2 < pace.graph_below_s, pace.futility_every if give_up else quads)

    def calls_in_a_turn(self, calls_s: float, *, turn_s: float) -> int:
        """Return the number of calls in a turn (one batch of one side) of `turn_s` seconds: at least 1, and at most
        what a scored batch holds. Short calls get many, so that the deducted overhead does not decide. `calls_s` is the
        sum of one call of each side in seconds.
        """
        most = self.opened.plan(self.opened.main, pilot_s=calls_s / 2).calls
        return int(np.clip(turn_s / (calls_s / 2), 1, most))

    def fight(self, terms: duel.DuelTerms) -> duel.Duel:
        """Start the rival's worker, run the duel on these terms and return its result; the rival's worker is killed at
        the end. Raises CandidateFailed if an output of the contender is wrong, WorkerDied if its worker ended,
        WorkerOverdue if it missed a deadline, and IncumbentFailed if any of these happens to the rival.
        """
        opened = self.opened
        with self._rivals_worker() as rival:
            contender_session, rival_session = (
                opened.session(worker, opened.main, sets=terms.calls, slot=slot).after(opened.pace.turn_idle_s)
                for slot, worker in enumerate((self.contender, rival))
            )
            return duel.fight(
                contender_session, rival_session, terms, monitor=opened.device.monitor(self.contender, rival)
            )

    @contextmanager
    def _rivals_worker(self) -> Iterator[Worker]:
        """Start the rival's worker and yield it to the `with` block, with its outputs in slot 1 (the second of the two
        output areas). The worker is killed when the block ends. Raises IncumbentFailed if the worker ends or misses its
        deadline while it loads.
        """
        with ExitStack() as stack:
            try:
                worker = stack.enter_context(
                    self.opened.worker(self.rival.artifact, slot=1, profile=self.rival.profile)
                )
            except (WorkerDied, WorkerOverdue) as death:
                raise duel.failed_incumbent(death) from death
            yield worker


def fight_vendor(opened: OpenTask, contender: Worker, *, call_s: float) -> duel.Duel | None:
    """Run the contender's worker and the vendor's library in turn, and return the duel; None if the task has no
    vendor's library or its time limit allows too few quads (four turns A B B A). `call_s` is the contender's seconds
    per call. Raises CandidateFailed, WorkerDied or WorkerOverdue if the contender fails, IncumbentFailed if the library
    fails.

    On a GPU a turn is as long as a scored batch.
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
