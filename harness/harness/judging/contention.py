"""Compare a measured candidate with its opponent: audit, duel, vendor line, sustained run.

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
    """The state of one contention: a candidate that passed, its opponent, and the results so far."""

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
        """Return the open task."""
        return self.judgement.opened

    @property
    def findings(self) -> Findings:
        """Return the findings from which the verdict is made."""
        return self.judgement.findings

    @property
    def progress(self) -> Progress:
        """Return the callback that receives each stage when it begins."""
        return self.judgement.progress

    @cached_property
    def worker(self) -> Worker:
        """Return the contender's worker; it is started when a stage first needs it."""
        return self.workers.enter_context(self.opened.worker(self.judgement.built.artifact))

    @property
    def call_s(self) -> float:
        """Return the contender's score in the main case, in seconds per call."""
        quantile = self.opened.pace.quantile
        return score(self.batches, quantile=quantile, rng=np.random.default_rng(0)).call_s

    @property
    def is_in_line(self) -> bool:
        """Return whether the opponent is the head of the contender's own line."""
        return self.opponent is not None and self.opponent.role is wire.OpponentRole.LINE

    @property
    def is_contender(self) -> bool:
        """Return whether the candidate is fast enough to be compared with its opponent: about as fast or faster, or in
        the same line.
        """
        if self.opponent is None or self.is_in_line:
            return True
        margin = max(self.opened.pace.noise, 2 * self.opened.calibration.spread)
        return self.measurement.time_us <= self.opponent.time_us * (1 + margin)

    def allowed_single_s(self, call_s: float) -> float:
        """Return the longest seconds of a single call that the audit allows a candidate with `call_s` seconds per call
        in batches.
        """
        calibration = self.opened.calibration
        scatter_s = calibration.overheads[self.worker.language][0.0].scatter_s
        return audit.allowed_s(call_s, vendor_ratio=calibration.single_ratio, scatter_s=scatter_s)


# --- audit ----------------------------------------------------------------------------------------------------------


def is_audited(contention: Contention) -> bool:
    """Return whether single calls of the candidate are timed, which is so if it may become the incumbent."""
    return contention.is_contender and not contention.is_in_line


def audit_calls(contention: Contention) -> None:
    """Time single calls, and score the candidate by them if they take longer than its time in batches justifies. A
    candidate whose batches hold one call each is not audited.

    Raises:
        CandidateFailed: the outputs of a single call are wrong, or memory was tampered with.
        WorkerDied, WorkerOverdue: the worker ended, or did not answer in time.
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
    """Return the seconds of a single call, measured once more if other work disturbed the audit and the result exceeds
    `allowed_s`.
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
    """Return whether the candidate is still fast enough for a duel after the audit, which may have slowed it."""
    return contention.is_contender


def fight(contention: Contention) -> None:
    """Decide whether the contender becomes the incumbent. A duel decides, unless the contender is the first candidate
    that passes or its slowest batch beats the incumbent's fastest by CLEAR_FACTOR. A duel within the contender's own
    line promotes nobody.

    Raises:
        CandidateFailed, WorkerDied, WorkerOverdue: the contender fails in the duel.
        MachineError: a side failed while another process computed on the device.
    """
    opponent = contention.opponent
    if opponent is None:
        contention.promotion = "first"
    elif not contention.is_in_line and _is_clear(contention, opponent):
        contention.promotion = "clear"
    else:
        _fight_opponent(contention, opponent)


def _is_clear(contention: Contention, opponent: wire.Opponent) -> bool:
    """Return whether the contender's slowest batch is faster than the opponent's fastest by more than CLEAR_FACTOR."""
    slowest_us = 1e6 * max(batch.call_s for batch in contention.batches)
    return slowest_us * CLEAR_FACTOR < opponent.fastest_us


def _fight_opponent(contention: Contention, opponent: wire.Opponent) -> None:
    """Fight the duel and store its result. The contender is promoted if it wins, or if an incumbent fails."""
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
    """Return whether an audited candidate was faster in the duel than its single calls in the audit justify; False if
    it was not audited.
    """
    single_us = contention.measurement.single_us
    return single_us is not None and single_us * 1e-6 > contention.allowed_single_s(result.contender_s)


def _duel(contention: Contention, opponent: wire.Opponent) -> duel.Duel:
    """Fight the duel with the opponent and return the result. The opponent is built again if the cache no longer holds
    it.
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
    """Return whether the candidate is run in turn with the vendor line: only if it is promoted and not much slower than
    the vendor line.
    """
    return (
        bool(contention.promotion) and (contention.measurement.vendor_ratio or 0.0) > contention.opened.pace.vendor_from
    )


def compare_with_vendor(contention: Contention) -> None:
    """Run the candidate and the vendor line in turn, and replace the measurement's vendor ratio by the median ratio of
    the quads. The ratio is left as it is if too few quads fit into the time limit or the vendor line fails.

    Raises:
        CandidateFailed, WorkerDied, WorkerOverdue: the candidate fails.
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
    """Return whether the candidate also runs without idle gaps: only if it is promoted and heat slows this kind of
    device.
    """
    return bool(contention.promotion and contention.opened.pace.sustained_s)


def sustain(contention: Contention) -> None:
    """Run calls of the main case for some seconds without idle gaps, verify the outputs, and store the seconds per call
    in the measurement.

    Raises:
        CandidateFailed, WorkerDied, WorkerOverdue: the candidate fails.
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
