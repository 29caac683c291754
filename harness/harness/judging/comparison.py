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
    """Two kernels to compare on the main case, the task's first timed case: `contender`, the running worker of one, and
    `rival`, the build of the other, whose worker `fight` starts. The duel and the comparison with the vendor's library
    each make one.
    """

    opened: OpenTask
    contender: Worker
    rival: OpponentKernel

    def terms(self, calls_s: float, *, most_quads: int | None = None, give_up: bool = True) -> duel.DuelTerms:
        """Return the terms of a duel: calls per turn, and number of quads (four turns in the order A B B A), at most
        `most_quads` and few enough for DUEL_S seconds. `calls_s` is the seconds of one call of the contender plus those
        of one call of the rival. With `give_up`, a duel that the contender cannot win any more ends early.
        """
        pace = self.opened.pace
        calls = self.calls_in_a_turn(calls_s, turn_s=pace.turn_s)
        quads = int(np.clip(DUEL_S / (2 * calls * calls_s), MIN_DUEL_QUADS, pace.quads))
        quads = min(quads, most_quads or quads)
        return duel.DuelTerms(quads, calls, calls_s / 2 < pace.graph_below_s, pace.futility_every if give_up else quads)

    def calls_in_a_turn(self, calls_s: float, *, turn_s: float) -> int:
        """Return the number of calls in a turn (one batch of one side) of `turn_s` seconds: at least 1, and at most
        what a scored batch holds. `calls_s` is the seconds of one call of the contender plus those of one call of the
        rival. The shorter the calls, the more fill a turn, so that the deducted dispatch overhead stays a small part of
        its time.
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
        """Start the rival's worker and yield it, suspended, to the `with` block; it writes its outputs to slot 1, the
        second of the two output areas. The worker is killed when the block ends. Raises IncumbentFailed if the worker
        ends or misses its deadline while it loads.
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
    """Run the contender's worker and the vendor's library in turn, and return the duel; `call_s` is the contender's
    seconds per call. Return None if the library was not measured for the task, or if the limit of `Pace.vendor_s`
    seconds allows too few quads (four turns A B B A). Raises CandidateFailed, WorkerDied or WorkerOverdue if the
    contender fails, IncumbentFailed if the library fails.

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
