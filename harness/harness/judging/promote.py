"""From a passed candidate to its score and the incumbent's place: physics, audit, duel, the vendor line beside it."""

import math
import secrets
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.checking import inputs
from harness.compiling.built import BuildFailure
from harness.contract import TIMING
from harness.devices import Watch
from harness.judging import audit, duel
from harness.judging.findings import Findings, Progress, Timed
from harness.judging.opened import Opened, opened_plan
from harness.task import Case, Task
from harness.timing.failure import Failed, deaths_are_verdicts
from harness.wire import messages as wire
from harness.worker.doorbell import Profile, Worker, WorkerDied, WorkerOverdue

CLEAR: float = TIMING["duel"]["clear_factor"]
"""A contender whose slowest batch beats the incumbent's fastest by this factor needs no duel."""
DUEL_S: float = TIMING["duel"]["most_s"]
"""A duel of slow kernels has fewer quads, so that it takes no longer than this ..."""
MIN_DUEL_QUADS: int = TIMING["duel"]["fewest_quads"]
"""... but never fewer than these."""
MAY_BE_OTHERS = ("crashed", "timed_out", "tampered")
"""How a candidate may fail for others' sake: memory is short, the device is busy after its calls."""
MIN_VENDOR_QUADS: int = TIMING["vendor"]["fewest_quads"]
"""Fewer tell no more than the ratio of the scores."""


@dataclass(frozen=True, slots=True)
class Rival:
    """Whom a candidate is compared with: what is run, and what its worker may have where that is not the usual."""

    artifact: Path
    profile: Profile | None = None


def score(
    opened: Opened, request: wire.Judge, *, artifact: Path, timed: Timed, findings: Findings, progress: Progress
) -> wire.Verdict:
    """The verdict on a candidate that passed, and whether it takes the incumbent's place.

    Raises:
        Failed: faster than physics, or it fails in the audit or the duel.
    """
    _refuse_miracles(opened, timed)
    measurement = _measurement(opened, timed)
    if not _is_contender(opened, request, measurement):
        return findings.verdict("passed", measurement=measurement)
    with deaths_are_verdicts(opened.main), ExitStack() as stack:
        progress("audit")
        with findings.timed("audit"):
            worker = stack.enter_context(opened.worker(artifact))
            measurement = _audited(opened, worker, timed=timed, measurement=measurement, findings=findings)
        # Scored by its single calls it may be no contender any more; turns of a duel would give it company again.
        if not _is_contender(opened, request, measurement):
            return findings.verdict("passed", measurement=measurement)
        progress("duel")
        with findings.timed("duel"):
            promotion, fought = _contend(opened, request, worker, timed=timed, findings=findings)
        if promotion == "duel" and fought and won_in_company(opened, worker, fought, single_us=measurement.single_us):
            findings.notes.append("the duel is not counted: its calls were quicker than single calls allow")
            promotion = None
        if promotion:
            measurement = _told_more(opened, worker, measurement, findings=findings, progress=progress)
    told = fought.on_wire() if fought else None
    return findings.verdict("passed", measurement=measurement, promotion=promotion, duel=told)


@contextmanager
def alone(opened: Opened, *, workers: int) -> Iterator[None]:
    """Blame a side for its failure only where nobody else computes: others take memory, and keep a device busy.

    To be left when just so many workers are still at work.

    Raises:
        MachineError: others compute here; nothing is found out about anybody.
    """
    try:
        yield
    except (Failed, duel.IncumbentFailed) as failed:
        if failed.status in MAY_BE_OTHERS:
            opened.workplace.refuse_company(workers=workers)
        raise


def _told_more(
    opened: Opened, worker: Worker, measurement: wire.Measurement, *, findings: Findings, progress: Progress
) -> wire.Measurement:
    """What is measured of promoted candidates only, and changes no score."""
    if (measurement.vendor_ratio or 0.0) > opened.pace.vendor_from:
        progress("vendor")
        with findings.timed("vendor"):
            measurement = _with_vendor(opened, worker, measurement, findings=findings)
    if opened.pace.sustained_s:
        progress("sustained")
        with findings.timed("sustained"):
            measurement = replace(measurement, sustained_us=1e6 * _sustained_s(opened, worker, measurement))
    return measurement


def _refuse_miracles(opened: Opened, timed: Timed) -> None:
    """Faster than physics."""
    for case in opened.task.timed:
        done = opened.task.work(case) - _unwritten_bytes(opened, case, timed)
        rate = done / timed.scores[case.name].call_s
        if rate > opened.workplace.ceiling(opened.task.unit, suspected=rate):
            raise Failed("tampered", f"case {case.name}: {rate / opened.peak:.2f} of the peak: faster than physics")


def _unwritten_bytes(opened: Opened, case: Case, timed: Timed) -> float:
    """Return how many bytes of a call's outputs a cache may still hold when a batch ends; 0 unless memory is timed."""
    if opened.task.unit != "dram":
        return 0.0
    calls = min(reading.calls for reading in timed.readings[case.name])
    outputs = sum(buffer.bytes_in(case.sizes) for buffer in opened.task.buffers if buffer.is_output)
    return min(outputs, opened.workplace.cache_bytes / calls)


def _measurement(opened: Opened, timed: Timed) -> wire.Measurement:
    """The weighted geometric mean over the timed cases; the interval widened by the between-process spread."""
    time_s = _mean(opened.task, {name: score.call_s for name, score in timed.scores.items()})
    low_s = _mean(opened.task, {name: score.low_s for name, score in timed.scores.items()})
    high_s = _mean(opened.task, {name: score.high_s for name, score in timed.scores.items()})
    below = math.hypot(1 - low_s / time_s, 1.96 * opened.spread)
    above = math.hypot(high_s / time_s - 1, 1.96 * opened.spread)
    fractions = {c.name: opened.utilization(c, timed.scores[c.name].call_s) for c in opened.task.timed}
    utilization = _mean(opened.task, fractions)
    return wire.Measurement(
        time_us=time_s * 1e6,
        interval_us=wire.Interval(time_s * 1e6 * max(0.0, 1 - below), time_s * 1e6 * (1 + above)),
        utilization=utilization,
        rate=utilization * opened.peak,
        peak=opened.peak,
        unit=opened.task.unit,
        pilot_us=timed.pilot_s * 1e6,
        vendor_ratio=opened.vendor_s / timed.scores[opened.main.name].call_s if opened.vendor else None,
        utilization_at_clock=_at_clock(opened, timed, utilization),
    )


def _at_clock(opened: Opened, timed: Timed, utilization: float) -> float | None:
    """Utilization of what the device could do at the clock that was sampled during the batches."""
    readings = timed.readings[opened.main.name]
    clocks = [clock for reading in readings if (clock := reading.telemetry.get("sm_clock_mhz"))]
    share = opened.workplace.share_at(opened.task.unit, clock_mhz=statistics.median(clocks)) if clocks else None
    return share and utilization / share


def _mean(task: Task, values: dict[str, float]) -> float:
    """Weighted geometric mean over the timed cases."""
    weight = sum(case.timed for case in task.timed)
    return math.exp(sum(case.timed * math.log(values[case.name]) for case in task.timed) / weight)


def _is_contender(opened: Opened, request: wire.Judge, measurement: wire.Measurement) -> bool:
    if request.incumbent is None or request.incumbent_time is None:
        return True
    margin = max(opened.pace.noise, 2 * opened.spread)
    return measurement.time_us <= request.incumbent_time.time_us * (1 + margin)


def _audited(
    opened: Opened, worker: Worker, *, timed: Timed, measurement: wire.Measurement, findings: Findings
) -> wire.Measurement:
    """A candidate that needs company to be fast is scored by its single calls."""
    case = opened.main
    if all(reading.calls == 1 for reading in timed.readings[case.name]):
        return measurement
    batch_s = timed.scores[case.name].call_s
    allowed_s = _allowed_s(opened, worker, call_s=batch_s)
    stand = opened.stand(worker, case).after(0.0)
    look_again_from_s = allowed_s if opened.pace.graph_below_s else math.inf

    def measure(watch: Watch) -> float:
        single_s = audit.single_call_s(stand, look_again_from_s=look_again_from_s)
        watch.look(batches=audit.SINGLE_CALLS)
        return single_s

    single_s = findings.undisturbed(
        wire.Figure.AUDIT,
        measure,
        name="the audit",
        watch=lambda: opened.workplace.watch(worker),
        is_settled=lambda found_s: found_s <= allowed_s,
    )
    measurement = replace(measurement, single_us=single_s * 1e6)
    if single_s <= allowed_s:
        return measurement
    findings.notes.append(f"scored by its single calls: {single_s / batch_s:.2f} times its time in batches")
    slower = batch_s / single_s
    return replace(
        measurement,
        time_us=measurement.time_us / slower,
        interval_us=wire.Interval(measurement.interval_us.low / slower, measurement.interval_us.high / slower),
        utilization=measurement.utilization * slower,
        rate=measurement.rate * slower,
        vendor_ratio=measurement.vendor_ratio and measurement.vendor_ratio * slower,
    )


def _allowed_s(opened: Opened, worker: Worker, *, call_s: float) -> float:
    """The longest single call of a candidate that takes `call_s` a call in company."""
    scatter_s = opened.overheads[worker.language][0.0].scatter_s
    return audit.allowed_s(call_s, vendor_ratio=opened.single_ratio, scatter_s=scatter_s)


def won_in_company(opened: Opened, worker: Worker, fought: duel.Duel, *, single_us: float | None) -> bool:
    """Whether a candidate that the audit let pass was faster in its duel than that justifies."""
    return single_us is not None and single_us * 1e-6 > _allowed_s(opened, worker, call_s=fought.contender_s)


def _contend(
    opened: Opened, request: wire.Judge, worker: Worker, *, timed: Timed, findings: Findings
) -> tuple[str | None, duel.Duel | None]:
    """How the contender became the incumbent, if it did, and the duel it fought."""
    if request.incumbent is None or request.incumbent_time is None:
        return "first", None
    slowest_us = 1e6 * max(reading.call_s for reading in timed.readings[opened.main.name])
    if slowest_us * CLEAR < request.incumbent_time.fastest_us:
        return "clear", None
    try:
        with alone(opened, workers=1):
            fought = _duel(opened, request, worker, timed=timed)
    except duel.IncumbentFailed as failure:
        findings.notes.append(f"the incumbent failed in the duel: {failure}")
        return "duel", None
    if fought.disturbance:
        findings.disturb(wire.Figure.DUEL, f"the duel was disturbed: {fought.disturbance}")
    return ("duel" if fought.won else None), fought


def _duel(opened: Opened, request: wire.Judge, worker: Worker, *, timed: Timed) -> duel.Duel:
    """The contender against the incumbent, built again where the cache has lost it."""
    assert request.incumbent is not None
    assert request.incumbent_time is not None
    incumbent = opened.build(Path(request.incumbent.path), language=request.incumbent.language)
    if isinstance(incumbent, BuildFailure):
        raise duel.IncumbentFailed(Failed("build_failed", f"it does not build any more: {incumbent.detail}"))
    calls_s = request.incumbent_time.time_us * 1e-6 + timed.scores[opened.main.name].call_s
    return fight(opened, worker, Rival(incumbent.artifact), calls_s=calls_s, give_up=True)


def fight(opened: Opened, contender: Worker, rival: Rival, *, calls_s: float, give_up: bool) -> duel.Duel:
    """A duel on the main case with another built candidate; `calls_s` is one call of either side together.

    Raises:
        Failed, WorkerDied, WorkerOverdue: the contender fails.
        duel.IncumbentFailed: the rival does.
    """
    calls = _calls_in_a_turn(opened, calls_s, turn_s=opened.pace.turn_s)
    quads = int(np.clip(DUEL_S / (2 * calls * calls_s), MIN_DUEL_QUADS, opened.pace.quads))
    terms = _Terms(quads, calls, calls_s, futility_every=opened.pace.futility_every if give_up else quads)
    return _fought(opened, contender, rival, terms)


def beside_vendor(opened: Opened, contender: Worker, *, call_s: float) -> duel.Duel | None:
    """A candidate and the vendor line in turn; on a GPU a turn is as long as a batch that is scored.

    None where there is no vendor line, or enough quads would take too long.

    Raises:
        Failed, WorkerDied, WorkerOverdue: the candidate fails.
        duel.IncumbentFailed: the vendor does.
    """
    if opened.vendor is None:
        return None
    calls_s = call_s + opened.vendor_s
    calls = _calls_in_a_turn(opened, calls_s, turn_s=opened.pace.vendor_turn_s)
    quads = min(opened.pace.vendor_quads, int(opened.pace.vendor_s / (2 * calls * calls_s)))
    if quads < MIN_VENDOR_QUADS:
        return None
    rival = Rival(opened.vendor.artifact, opened.vendor.profile)
    return _fought(opened, contender, rival, _Terms(quads, calls, calls_s, futility_every=quads))


def _calls_in_a_turn(opened: Opened, calls_s: float, *, turn_s: float) -> int:
    """One, unless calls are so short that the deducted constant would decide the duel."""
    most = opened_plan(opened, opened.main, pilot_s=calls_s / 2).calls
    return int(np.clip(turn_s / (calls_s / 2), 1, most))


@dataclass(frozen=True, slots=True)
class _Terms:
    """How a duel is fought."""

    quads: int
    calls: int
    """Of a turn."""
    calls_s: float
    """One call of either side together, seconds."""
    futility_every: int


def _fought(opened: Opened, contender: Worker, rival: Rival, terms: _Terms) -> duel.Duel:
    pace = opened.pace
    with _hired(opened, rival) as other:
        stands = [
            opened.stand(worker, opened.main, sets=terms.calls, seat=seat).after(pace.turn_idle_s)
            for seat, worker in enumerate((contender, other))
        ]
        return duel.fight(
            *stands, quads=terms.quads, calls=terms.calls, as_graph=terms.calls_s / 2 < pace.graph_below_s,
            deadline_s=opened.task.limits.call_s, futility_every=terms.futility_every,
            watch=opened.workplace.watch(contender, other),
        )  # fmt: skip


@contextmanager
def _hired(opened: Opened, rival: Rival) -> Iterator[Worker]:
    """The other side's worker, in the other seat."""
    with ExitStack() as stack:
        try:
            worker = stack.enter_context(opened.worker(rival.artifact, seat=1, profile=rival.profile))
        except (WorkerDied, WorkerOverdue) as death:
            raise duel.IncumbentFailed(death) from death
        yield worker


def _sustained_s(opened: Opened, worker: Worker, measurement: wire.Measurement) -> float:
    """Seconds a call, back to back; told beside the score and never one."""
    plan = opened_plan(opened, opened.main, pilot_s=measurement.time_us * 1e-6)
    stand, key = opened.stand(worker, opened.main, sets=plan.sets), inputs.fresh_key()
    stand.refresh(range(plan.sets), key)
    seconds = min(opened.pace.sustained_s, opened.task.limits.timing_s)
    calls = int(seconds / (measurement.time_us * 1e-6)) + 1
    run = stand.run(range(plan.sets), key, deadline_s=opened.task.limits.call_s, calls=calls)
    run.verify(np.random.default_rng(secrets.randbits(128)))
    return run.reading.call_s


def _with_vendor(
    opened: Opened, worker: Worker, measurement: wire.Measurement, *, findings: Findings
) -> wire.Measurement:
    """The vendor line interleaved with a promoted candidate, where that is quick enough."""
    try:
        paired = beside_vendor(opened, worker, call_s=measurement.time_us * 1e-6)
    except duel.IncumbentFailed as failure:
        findings.notes.append(f"the vendor line failed beside it: {failure}")
        return measurement
    if paired is None or opened.vendor is None:
        return measurement
    low, high = paired.interval
    note = (
        f"{paired.speedup:.4f} times as fast as {opened.vendor.name} in {len(paired.ratios)} interleaved quads, 95 % "
        f"interval {low:.4f} to {high:.4f}"
    )
    if paired.disturbance:
        findings.disturb(wire.Figure.VENDOR, f"{note}; disturbed: {paired.disturbance}")
    else:
        findings.notes.append(note)
    return replace(measurement, vendor_ratio=paired.speedup, vendor_paired=True)
