"""Compare a measured candidate with its opponent in four stages: audit of single calls, duel, comparison with the
vendor's library, and a sustained run without idle gaps.

Only a candidate that is about as fast as the incumbent, or faster, is a contender, and only a duel with the incumbent
promotes it. Two candidates are promoted without a duel: the first that passes, and one whose slowest batch beats the
incumbent's fastest batch by a clear factor.
"""

import math
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from harness.checking import inputs
from harness.compiling.built import BuildFailure
from harness.contract import TIMING
from harness.devices import Monitor
from harness.judging import audit, duel
from harness.judging.comparison import OpponentKernel, PairedComparison, fight_vendor
from harness.judging.findings import DisturbableFigure, Findings
from harness.judging.judgement import IncumbentFailed, Judgement, Progress, check_device_on_failure
from harness.judging.measurement import slowed
from harness.judging.open_task import OpenTask
from harness.timing.failure import CandidateFailed
from harness.timing.score import BatchTime, score
from harness.wire import messages as wire
from harness.worker import Worker

CLEAR_FACTOR: float = TIMING["duel"]["clear_factor"]
"""A contender whose slowest batch beats the incumbent's fastest by this factor is promoted without a duel."""
LINE_QUADS: int = TIMING["duel"]["line_quads"]
"""Highest number of quads of a duel with the head of the contender's own line, which promotes nobody."""


@dataclass
class Contention:
    """The state of comparing one passed candidate with its opponent: the judgement with source and build, the
    measurement, the main case's batches, the opponent (None if no candidate has passed before), and the results so far
    (duel, promotion). `judge.contend` makes it, and the stages in this file store their results in it.
    """

    judgement: Judgement
    """The judgement of the same candidate, admitted and built again; the cache holds its artifact."""
    measurement: wire.Measurement
    """The candidate's measurement. The audit may slow it, and a promotion adds figures to it."""
    batches: list[BatchTime]
    """The candidate's batches of the main case."""
    opponent: wire.Opponent | None
    """The candidate to compare with; None if no candidate has passed before."""
    promotion: str | None = None
    """Reason of the promotion, `first`, `clear` or `duel`; None if the candidate is not promoted."""
    duel: wire.Duel | None = None
    workers: ExitStack = field(default_factory=ExitStack)
    """Ends the contender's worker when the contention ends."""

    @property
    def opened(self) -> OpenTask:
        """Return the task that is open on a device, with its memory, calibration (constants measured at opening) and
        timing constants.
        """
        return self.judgement.opened

    @property
    def findings(self) -> Findings:
        """Return the findings (notes, facts and durations so far) from which the verdict is made. Stages add to
        them.
        """
        return self.judgement.findings

    @property
    def progress(self) -> Progress:
        """Return the callback to call with the name of each stage when the stage begins."""
        return self.judgement.progress

    @cached_property
    def worker(self) -> Worker:
        """Return the contender's worker, suspended and with the candidate loaded; the first use starts it, and it is
        killed when the contention ends. Raises WorkerDied if the worker ends while it loads, WorkerOverdue if loading
        exceeds its deadline, and MachineError if the sandbox cannot be set up.
        """
        return self.workers.enter_context(self.opened.worker(self.judgement.built.artifact))

    @property
    def call_s(self) -> float:
        """Return the contender's score in the main case (the first timed case), in seconds per call: the device's score
        quantile of its batches.
        """
        quantile = self.opened.pace.quantile
        return score(self.batches, quantile=quantile, rng=np.random.default_rng(0)).call_s

    @property
    def is_in_line(self) -> bool:
        """Return True if the opponent is the head of the contender's own line, the best earlier attempt that the
        contender descends from; False if it is the incumbent (the run's best candidate) or there is none.
        """
        return self.opponent is not None and self.opponent.role is wire.OpponentRole.LINE

    @property
    def is_contender(self) -> bool:
        """Return whether the candidate is compared with its opponent at all: True if there is no opponent, if the
        opponent is the head of the candidate's own line (its best ancestor), or if the candidate's time exceeds the
        opponent's by no more than the noise of the device.
        """
        if self.opponent is None or self.is_in_line:
            return True
        margin = max(self.opened.pace.noise, 2 * self.opened.calibration.spread)
        return self.measurement.time_us <= self.opponent.time_us * (1 + margin)

    def allowed_single_s(self, call_s: float) -> float:
        """Return the longest seconds that a single call of the candidate may take if its calls in batches take `call_s`
        seconds each; a longer single call means that the candidate is fast only in batches. Starts the worker if it
        does not run yet, and raises WorkerDied, WorkerOverdue or MachineError as `worker` does.
        """
        calibration = self.opened.calibration
        scatter_s = calibration.overheads[self.worker.language][0.0].scatter_s
        return audit.allowed_s(call_s, vendor_ratio=calibration.single_ratio, scatter_s=scatter_s)


# --- audit ----------------------------------------------------------------------------------------------------------


def is_audited(contention: Contention) -> bool:
    """Return whether the stage `audit`, which times single calls, runs for this candidate: True if it may become the
    incumbent, the run's best candidate. False for a slow candidate or one that is compared with the head of its own
    line.
    """
    return contention.is_contender and not contention.is_in_line


def audit_calls(contention: Contention) -> None:
    """Time single calls and store the result in the measurement. If they take longer than the time per call in batches
    justifies, multiply the measurement's times so that the candidate is scored by its single calls. Does nothing if
    each batch holds one call. Raises CandidateFailed if an output is wrong or memory changed, WorkerDied if the worker
    ended, WorkerOverdue if it missed its deadline.
    """
    worker = contention.worker
    if all(batch.calls == 1 for batch in contention.batches):
        return
    batch_s = contention.call_s
    allowed_s = contention.allowed_single_s(batch_s)
    single_s = _single_call_s(contention, worker, allowed_s=allowed_s)
    contention.measurement = replace(contention.measurement, single_us=single_s * 1e6)
    if single_s > allowed_s:
        factor = single_s / batch_s
        contention.findings.notes.append(
            f"scored by its single calls, which take {factor:.2f} times as long as calls in batches"
        )
        contention.measurement = slowed(contention.measurement, factor)


def _single_call_s(contention: Contention, worker: Worker, *, allowed_s: float) -> float:
    """Return the measured seconds of a single call of the contender in `worker`. If other work disturbed the device and
    the result exceeds `allowed_s` seconds, measure once more and return the second result. Raises CandidateFailed if an
    output is wrong, WorkerDied if the worker ended, and WorkerOverdue if it missed its deadline.
    """
    opened = contention.opened
    session = opened.session(worker, opened.main).after(0.0)
    look_again_from_s = allowed_s if opened.pace.graph_below_s else math.inf

    def measure(monitor: Monitor) -> float:
        single_s = audit.single_call_s(session, look_again_from_s=look_again_from_s)
        monitor.look(batches=audit.SINGLE_CALLS)
        return single_s

    return contention.findings.undisturbed(
        DisturbableFigure(
            wire.Figure.AUDIT,
            "the audit",
            measure,
            monitor=lambda: opened.device.monitor(worker),
            is_settled=lambda single_s: single_s <= allowed_s,
        )
    )


# --- duel -----------------------------------------------------------------------------------------------------------


def is_contender(contention: Contention) -> bool:
    """Return whether the stage `duel` runs: True if the candidate is fast enough to be compared with its opponent. The
    audit may have made the candidate's measured time longer, so the answer can differ from that before the audit.
    """
    return contention.is_contender


def fight(contention: Contention) -> None:
    """Set `contention.promotion` to the reason if the contender becomes the incumbent: it is the first to pass, its
    slowest batch beats the incumbent's fastest by CLEAR_FACTOR, or it wins a duel. Raises CandidateFailed, WorkerDied
    or WorkerOverdue if the contender fails, and MachineError if a side failed while another process computed on the
    device.
    """
    opponent = contention.opponent
    if opponent is None:
        contention.promotion = "first"
    elif not contention.is_in_line and _is_clear(contention, opponent):
        contention.promotion = "clear"
    else:
        _fight_opponent(contention, opponent)


def _is_clear(contention: Contention, opponent: wire.Opponent) -> bool:
    """Return whether the contender's slowest batch is faster than the opponent's fastest recorded batch by more than
    CLEAR_FACTOR, so that the contender is promoted without a duel.
    """
    slowest_us = 1e6 * max(batch.call_s for batch in contention.batches)
    return slowest_us * CLEAR_FACTOR < opponent.fastest_us


def _fight_opponent(contention: Contention, opponent: wire.Opponent) -> None:
    """Run a duel with the opponent, store its result, and promote the contender if the opponent is the incumbent and
    the contender wins or the incumbent fails. Raises CandidateFailed, WorkerDied or WorkerOverdue if the contender
    fails, and MachineError if a side failed while another process computed on the device.
    """
    findings = contention.findings
    try:
        with check_device_on_failure(contention.opened, workers=1):
            result = _duel(contention, opponent)
    except IncumbentFailed as failure:
        name = "head of the line" if contention.is_in_line else "incumbent"
        findings.notes.append(f"the {name} failed in the duel: {failure}")
        contention.promotion = None if contention.is_in_line else "duel"
        return
    contention.duel = result.on_wire()
    if result.disturbance:
        findings.disturb(wire.Figure.DUEL, f"the duel was disturbed: {result.disturbance}")
    if not result.won or contention.is_in_line:
        return
    if is_faster_than_audit_allows(contention, result):
        findings.notes.append("the duel is not counted: the calls in it were faster than single calls allow")
    else:
        contention.promotion = "duel"


def is_faster_than_audit_allows(contention: Contention, result: duel.Duel) -> bool:
    """Return True if the candidate's calls in the duel `result` were faster than its single calls in the audit justify,
    so that the win must not count. Returns False if the candidate was not audited.
    """
    single_us = contention.measurement.single_us
    return single_us is not None and single_us * 1e-6 > contention.allowed_single_s(result.contender_s)


def _duel(contention: Contention, opponent: wire.Opponent) -> duel.Duel:
    """Build the opponent, normally from the cache, run the duel and return its result. Raises IncumbentFailed if the
    opponent does not build, gives a wrong output or misses a deadline; CandidateFailed, WorkerDied (worker ended) or
    WorkerOverdue (deadline missed) if the contender fails.
    """
    opened = contention.opened
    built = opened.build(Path(opponent.source.path), language=opponent.source.language)
    if isinstance(built, BuildFailure):
        detail = f"it no longer builds: {built.detail}"
        raise duel.failed_incumbent(CandidateFailed("build_failed", detail))
    comparison = PairedComparison(opened, contention.worker, OpponentKernel(built.artifact))
    calls_s = opponent.time_us * 1e-6 + contention.call_s
    return comparison.fight(comparison.terms(calls_s, most_quads=LINE_QUADS if contention.is_in_line else None))


# --- what is measured of promoted candidates only, and changes no score ---------------------------------------------


def is_compared_with_vendor(contention: Contention) -> bool:
    """Return whether the candidate runs in turn with the vendor's library: True if it is promoted and reaches more than
    the fraction `Pace.vendor_from` of the library's speed.
    """
    return (
        bool(contention.promotion) and (contention.measurement.vendor_ratio or 0.0) > contention.opened.pace.vendor_from
    )


def compare_with_vendor(contention: Contention) -> None:
    """Run the candidate and the vendor's library in turn, and store the median ratio of their times as the
    measurement's vendor ratio. The ratio stays unchanged if the time limit allows too few turns or the library fails.
    Raises CandidateFailed, WorkerDied (worker ended) or WorkerOverdue (deadline missed) if the candidate fails.
    """
    opened, findings, vendor = contention.opened, contention.findings, contention.opened.calibration.vendor
    try:
        comparison = fight_vendor(opened, contention.worker, call_s=contention.measurement.time_us * 1e-6)
    except IncumbentFailed as failure:
        findings.notes.append(f"the vendor line failed in the comparison: {failure}")
        return
    if comparison is None or vendor is None:
        return
    low, high = comparison.interval
    note = (
        f"{comparison.speedup:.4f} times as fast as {vendor.vendor.name} in {len(comparison.ratios)} "
        f"interleaved quads, 95 % interval {low:.4f} to {high:.4f}"
    )
    if comparison.disturbance:
        findings.disturb(wire.Figure.VENDOR, f"{note}; disturbed: {comparison.disturbance}")
    else:
        findings.notes.append(note)
    contention.measurement = replace(contention.measurement, vendor_ratio=comparison.speedup, vendor_paired=True)


def is_sustained(contention: Contention) -> bool:
    """Return whether the stage `sustained` runs, in which the candidate computes for some seconds without idle gaps:
    True if it is promoted and the device slows down when it is hot, as GPUs do.
    """
    return bool(contention.promotion and contention.opened.pace.sustained_s)


def sustain(contention: Contention) -> None:
    """Run calls of the main case for some seconds without idle gaps, verify the outputs, and store the microseconds per
    call as `sustained_us` in the measurement. Raises CandidateFailed if an output is wrong, WorkerDied if the worker
    ended, and WorkerOverdue if it missed its deadline.
    """
    opened, call_s = contention.opened, contention.measurement.time_us * 1e-6
    plan = opened.plan(opened.main, pilot_s=call_s)
    session, key, sets = (
        opened.session(contention.worker, opened.main, sets=plan.sets),
        inputs.fresh_key(),
        range(plan.sets),
    )
    session.refresh(sets, key)
    seconds = min(opened.pace.sustained_s, opened.task.limits.timing_s)
    batch = session.run(sets, key, calls=int(seconds / call_s) + 1)
    batch.verify()
    contention.measurement = replace(contention.measurement, sustained_us=1e6 * batch.time.call_s)
