"""The stage `timing`: time batches of every timed case with fresh inputs, and verify the outputs of every batch."""

from dataclasses import dataclass, replace
from functools import partial

from harness.checking import inputs
from harness.contract import TIMING
from harness.devices import Monitor
from harness.judging.findings import DisturbableFigure
from harness.judging.judgement import Judgement, Timed
from harness.task import Case
from harness.timing.failure import deaths_are_verdicts
from harness.timing.plan import Plan
from harness.timing.score import BatchTime, score
from harness.timing.session import TimingSession
from harness.wire import messages as wire

MAX_PLANS: int = TIMING["plan"]["most_plans"]
"""Highest number of plans for one case. A candidate that is faster than each plan expected is not scored below half of
the time that the last plan assumed."""
REPLAN_FACTOR: float = TIMING["plan"]["replan_factor"]
"""A batch that is faster than the pilot by more than this factor shows that the pilot was not typical."""
RACING_BATCHES: int = TIMING["plan"]["racing_batches"]
"""Number of batches after which a candidate that is slower than the race allows is scored without further timing."""
AS_GRAPH = "calls are short, so each batch runs as a CUDA graph if its calls can be captured"


def time_cases(judgement: Judgement) -> None:
    """Time every timed case, and store in `judgement` the batches, the scores and the main case's pilot (seconds of one
    of its first calls). The worker is killed after the last batch, before that batch's outputs are examined. Raises
    CandidateFailed if an output is wrong, memory was tampered with, or the worker crashed or timed out.
    """
    opened, batches = judgement.opened, {}
    for case in opened.task.timed:
        judgement.progress("timing", f"case {case.name}")
        case_batches = _TimedCase(judgement, case).batches()
        judgement.findings.batches += [as_wire(case, batch) for batch in case_batches]
        batches[case.name] = case_batches
    rng = opened.session(judgement.worker, opened.main).resources.generator()
    scores = {
        name: score(case_batches, quantile=opened.pace.quantile, rng=rng) for name, case_batches in batches.items()
    }
    judgement.timed = Timed(batches, scores, judgement.pilots_s[opened.main.name])


def as_wire(case: Case, batch: BatchTime) -> wire.Batch:
    """Return a timed batch of `case` as the wire message that verdicts carry: name of the case, number of calls,
    microseconds per call, key from which the inputs are generated again, and telemetry.
    """
    return wire.Batch(case.name, batch.calls, batch.call_s * 1e6, batch.key, batch.telemetry)


@dataclass(frozen=True)
class _TimedCase:
    """One timed case of one candidate's judgement, with the method `batches` that times it: the number of calls per
    batch is planned from the first calls' time, and planned again if those calls were not typical.
    """

    judgement: Judgement
    case: Case

    def batches(self) -> list[BatchTime]:
        """Plan and time the case, plan again while batches are much faster than the plan expected, and return the
        batches of the last plan. A batch counts as at least the plan's expected seconds per call divided by
        REPLAN_FACTOR, however fast it was. Raises CandidateFailed if an output is wrong, memory was tampered with, or
        the worker crashed or timed out.
        """
        case, findings = self.case, self.judgement.findings
        pilot_s = self.judgement.pilots_s[case.name]
        with deaths_are_verdicts(case):
            for plans_left in reversed(range(MAX_PLANS)):
                least_s = pilot_s / REPLAN_FACTOR
                timing = self._planned(pilot_s, replan_below_s=least_s if plans_left else 0.0)
                batches = findings.undisturbed(self._measurable(timing))
                pilot_s = min(batch.call_s for batch in batches)
                if pilot_s >= least_s:
                    break
                outcome = "planned again" if plans_left else "not scored below half of the pilot's time"
                findings.notes.append(f"case {case.name}: {outcome}, because the first calls were not typical")
            is_last = case is self.judgement.opened.task.timed[-1]
            batches.append(time_batch(timing.session, timing.plan, index=len(batches), is_last=is_last))
        if timing.is_too_slow(batches[:-1]):
            findings.notes.append(
                f"scored from {len(batches)} batches: every call takes more than {timing.racing_above_s:.4g} s"
            )
        return [replace(batch, call_s=max(batch.call_s, least_s)) for batch in batches]

    def _planned(self, pilot_s: float, *, replan_below_s: float) -> "_CaseTiming":
        judgement, opened = self.judgement, self.judgement.opened
        plan = opened.plan(self.case, pilot_s=pilot_s)
        if plan.as_graph:
            judgement.findings.notes.append(f"case {self.case.name}: {AS_GRAPH}")
        # A race compares one time per call; the mean of several cases says nothing about a single case.
        races = len(opened.task.timed) == 1 and judgement.racing_above_s is not None
        racing_above_s = (judgement.racing_above_s or 0.0) if races else float("inf")
        session = opened.session(judgement.worker, self.case, sets=plan.sets)
        return _CaseTiming(session, plan, replan_below_s, racing_above_s)

    def _measurable(self, timing: "_CaseTiming") -> DisturbableFigure[list[BatchTime]]:
        """Return the description by which `Findings.undisturbed` times all batches of this case but the last, and times
        them once more if other work on the device disturbs them. `timing` holds the session and the plan by which the
        batches are timed.
        """
        return DisturbableFigure(
            wire.Figure.TIMING,
            f"case {self.case.name}",
            timing.all_but_last,
            partial(self.judgement.opened.device.monitor, self.judgement.worker),
            timing.needs_new_plan,
        )


@dataclass(frozen=True)
class _CaseTiming:
    """Settings for timing the batches of one case: the session, the plan (calls per batch, number of batches), and two
    bounds in seconds per call. A batch below `replan_below_s` shows that the plan was wrong; a candidate above
    `racing_above_s` is too slow for more batches. `_TimedCase` makes it.
    """

    session: TimingSession
    plan: Plan
    replan_below_s: float
    """A batch below this many seconds per call shows that the plan came from untypical calls; 0 = no batch does."""
    racing_above_s: float
    """A candidate whose first batches all take more than this many seconds per call is scored from those batches."""

    def all_but_last(self, monitor: Monitor) -> list[BatchTime]:
        """Time the plan's batches except the last and return their times as a list, oldest first. The list is shorter
        if a batch was faster than `replan_below_s` or the first RACING_BATCHES were all slower than `racing_above_s`;
        `monitor.look()` is called after each batch to record other work on the device. Raises CandidateFailed if an
        output is wrong or memory was tampered with, WorkerDied if the worker ended, and WorkerOverdue if it missed its
        deadline.
        """
        batches: list[BatchTime] = []
        for index in range(self.plan.batches - 1):
            batches.append(time_batch(self.session, self.plan, index=index))
            monitor.look()
            if self.needs_new_plan(batches) or self.is_too_slow(batches):
                break
        return batches

    def needs_new_plan(self, batches: list[BatchTime]) -> bool:
        """Return whether the last of these batches took fewer seconds per call than `replan_below_s`, so that the plan
        came from calls that were not typical. Raises IndexError if the list is empty.
        """
        return batches[-1].call_s < self.replan_below_s

    def is_too_slow(self, batches: list[BatchTime]) -> bool:
        """Return whether there are exactly RACING_BATCHES batches and each took more than `racing_above_s` seconds per
        call, so that the candidate is scored without further batches.
        """
        return len(batches) == RACING_BATCHES and all(batch.call_s > self.racing_above_s for batch in batches)


def time_batch(session: TimingSession, plan: Plan, *, index: int, is_last: bool = False) -> BatchTime:
    """Run batch number `index` (from 0) of `plan` on fresh inputs, verify its outputs, and return its time. With
    `is_last`, kill the worker before outputs are examined, so that it cannot write to them meanwhile. Raises
    CandidateFailed if an output is wrong or memory was tampered with, WorkerDied if the worker ended, WorkerOverdue if
    it missed its deadline.
    """
    first = index * plan.calls % (plan.sets - plan.calls + 1)
    sets, key = range(first, first + plan.calls), inputs.fresh_key()
    if plan.as_graph:
        session = session.capture(sets)
    session.refresh(sets, key)
    batch = session.run(sets, key, expected_s=plan.expected_s)
    if is_last:
        session.worker.kill()
    batch.verify()
    if is_last and session.task.check.independent:
        batch.verify_one()
    return batch.time
