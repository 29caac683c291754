"""One candidate, stage by stage: admit, build, check, time, audit, duel. The file to read first in the harness.

A bad kernel is a verdict; whatever else goes wrong is raised, and answered as an error of the harness. The candidate
runs in workers of opened.py; the clock is clock.py's; what is right is verify.py's to say.
"""

import hashlib
import math
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

import audit
import clock
import duel
import inputs
import wire
from build import c as c_builder
from clock import Reading, Score, Stand
from doorbell import Worker
from failure import Failed, deaths_are_verdicts
from opened import PHYSICS, Opened, opened_plan
from task import Case, Task

CLEAR = 1.5
"""A contender whose slowest batch beats the incumbent's fastest by this factor needs no duel."""
NOISE_FLOOR = 0.03
"""A candidate within this of the incumbent, or within twice the between-process spread, is a contender."""
DUEL_S = 20.0
"""A duel of slow kernels has fewer quads, so that it takes no longer than this ..."""
MIN_DUEL_QUADS = 6
"""... but never fewer than these."""
VENDOR_QUADS = 12
VENDOR_S = 2.5
"""The vendor line runs beside a promoted candidate for no longer than this; else the ratio of the scores stands."""
MIN_VENDOR_QUADS = 4
FIRST_BATCHES = 2
"""Batches by which the pilot's plan is examined; fewer than the fewest of a plan."""
REPLAN_FACTOR = 2
"""A score under the pilot by more than this was planned from a misleading pilot."""


@dataclass
class Findings:
    """What is known so far; every stage adds to it, whatever the status will be."""

    source_digest: str = ""
    facts: wire.Facts = field(default_factory=wire.Facts)
    batches: list[wire.Batch] = field(default_factory=list)
    durations_s: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    isolation: int | None = None

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the seconds of a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.durations_s[stage] = self.durations_s.get(stage, 0.0) + time.perf_counter() - start

    def verdict(self, status: str, detail: str = "", **found: object) -> wire.Verdict:
        """The verdict with all that was found."""
        return wire.Verdict(
            status=status,
            detail=detail,
            source_digest=self.source_digest,
            facts=self.facts,
            batches=tuple(self.batches),
            durations_s=self.durations_s,
            notes=tuple(self.notes),
            isolation=self.isolation,
            **found,  # type: ignore[arg-type]
        )


@dataclass(frozen=True)
class Timed:
    """A candidate that passed: its readings and score by case."""

    readings: dict[str, list[Reading]]
    scores: dict[str, Score]
    pilot_s: float


Progress = Callable[[str], None]


def judge(opened: Opened, request: wire.Judge, progress: Progress) -> wire.Verdict:
    """The verdict on one candidate.

    Raises:
        OSError, sandbox.SandboxError, MachineError: the harness failed; nothing was found out about the candidate.
    """
    findings = Findings()
    try:
        artifact = _prepare(opened, request.candidate, findings=findings, progress=progress)
        progress("correctness")
        timed = _check_and_time(opened, artifact, findings=findings, progress=progress)
        return _score(opened, request, artifact=artifact, timed=timed, findings=findings, progress=progress)
    except Failed as failed:
        return findings.verdict(failed.status, failed.detail)


def compare(opened: Opened, request: wire.DuelRequest, progress: Progress) -> duel.Duel | wire.Verdict:
    """A duel on demand, once both candidates are built and checked; else the verdict on the one that fails."""
    artifacts = []
    for side, source in (("A", request.candidate), ("B", request.incumbent)):
        findings = Findings()
        try:
            artifacts.append(_prepare(opened, source, findings=findings, progress=progress))
            with opened.worker(artifacts[-1]) as worker:
                _check_all(opened, worker)
        except Failed as failed:
            return findings.verdict(failed.status, f"{side}: {failed.detail}")
    progress("duel")
    return _fight(opened, artifacts[0], artifacts[1], quads=duel.QUADS, give_up=False)


# --- admit and build ---------------------------------------------------------------------------------------------


def _prepare(opened: Opened, source: wire.Source, *, findings: Findings, progress: Progress) -> Path:
    path = Path(source.path)
    _admit(opened.task, path, language=source.language, findings=findings)
    progress("build")
    findings.isolation = int(opened.workplace.isolation.level)
    with findings.timed("build"):
        built = opened.build(path)
    if isinstance(built, c_builder.BuildFailure):
        raise Failed("build_failed", built.detail)
    findings.facts = built.facts
    return built.artifact


def _admit(task: Task, path: Path, *, language: str, findings: Findings) -> None:
    """Refuse before building what cannot be a candidate."""
    content = path.read_bytes()
    findings.source_digest = hashlib.sha256(language.encode() + b"\0" + content).hexdigest()
    if language not in task.languages:
        raise Failed("rejected", f"written in {language}; this task takes {', '.join(task.languages)}")
    if len(content) > task.limits.source_bytes:
        raise Failed("rejected", f"{len(content):,} bytes of source; the limit is {task.limits.source_bytes:,}")
    if b"\0" in content:
        raise Failed("rejected", f"a NUL byte at offset {content.index(0)}: not source text")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Failed("rejected", f"not UTF-8 at byte {error.start}") from error
    _admit_text(task, text)


def _admit_text(task: Task, text: str) -> None:
    if not re.search(rf"\b{re.escape(task.entry)}\s*\(", text):
        raise Failed("rejected", f"no function {task.entry}: the entry point is missing")
    for forbidden in task.forbidden:
        if forbidden in text:
            raise Failed("rejected", f"{forbidden!r} is forbidden by the task")


# --- check and time ----------------------------------------------------------------------------------------------


def _check_and_time(opened: Opened, artifact: Path, *, findings: Findings, progress: Progress) -> Timed:
    with deaths_are_verdicts(None), opened.worker(artifact) as worker:
        with findings.timed("correctness"):
            pilots = _check_all(opened, worker)
        progress("timing")
        with findings.timed("timing"):
            readings = _time_all(opened, worker, pilots=pilots, findings=findings)
    rng = np.random.default_rng(secrets.randbits(128))
    scores = {name: clock.score(of_case, rng=rng) for name, of_case in readings.items()}
    return Timed(readings, scores, pilots[opened.main.name])


def _check_all(opened: Opened, worker: Worker) -> dict[str, float]:
    """Every case once, hidden ones too, compared in full; seconds of each call."""
    return {case.name: _check(opened, worker, case) for case in opened.task.cases}


def _check(opened: Opened, worker: Worker, case: Case) -> float:
    stand = opened.stand(worker, case)
    key = inputs.fresh_key()
    with deaths_are_verdicts(case):
        stand.refresh(range(1), key)
        run = stand.run(range(1), key, deadline_s=opened.task.limits.call_s)
    run.verify(np.random.default_rng(secrets.randbits(128)), full=True)
    return run.reading.call_s


def _time_all(
    opened: Opened, worker: Worker, *, pilots: dict[str, float], findings: Findings
) -> dict[str, list[Reading]]:
    """The readings of every timed case; the worker does not survive the last batch."""
    readings = {}
    for case in opened.task.timed:
        is_last = case is opened.task.timed[-1]
        of_case = _time_case(opened, worker, case, pilot_s=pilots[case.name], is_last=is_last, findings=findings)
        findings.batches += [wire.Batch(case.name, r.calls, r.call_s * 1e6, r.key) for r in of_case]
        readings[case.name] = of_case
    return readings


def _time_case(
    opened: Opened, worker: Worker, case: Case, *, pilot_s: float, is_last: bool, findings: Findings
) -> list[Reading]:
    """Two batches by the pilot's plan, the rest by that plan or, once, by a better one."""
    with deaths_are_verdicts(case):
        plan = opened_plan(opened, case, pilot_s=pilot_s)
        readings = _batches(opened, worker, case, plan=plan, count=FIRST_BATCHES, is_last=False)
        fastest_s = min(reading.call_s for reading in readings)
        if fastest_s * REPLAN_FACTOR < pilot_s:
            findings.notes.append(f"case {case.name}: planned again, the first call was not typical")
            plan, readings = opened_plan(opened, case, pilot_s=fastest_s), []
        rest = plan.batches - len(readings)
        return readings + _batches(opened, worker, case, plan=plan, count=rest, is_last=is_last)


def _batches(
    opened: Opened, worker: Worker, case: Case, *, plan: clock.Plan, count: int, is_last: bool
) -> list[Reading]:
    """Timed batches on rotating sets, each with fresh inputs and verified in full number."""
    stand = opened.stand(worker, case, sets=plan.sets)
    return [
        _batch(stand, plan=plan, index=index, kill=is_last and index == count - 1, limit_s=opened.task.limits.call_s)
        for index in range(count)
    ]


def _batch(stand: Stand, *, plan: clock.Plan, index: int, kill: bool, limit_s: float) -> Reading:
    first = index * plan.calls % (plan.sets - plan.calls + 1)
    sets, key = range(first, first + plan.calls), inputs.fresh_key()
    stand.refresh(sets, key)
    run = stand.run(sets, key, deadline_s=limit_s)
    if kill:
        # Reaped before the outputs are examined: what was still to be written never lands.
        stand.worker.kill()
    run.verify(np.random.default_rng(secrets.randbits(128)))
    return run.reading


# --- score and promote -------------------------------------------------------------------------------------------


def _score(
    opened: Opened, request: wire.Judge, *, artifact: Path, timed: Timed, findings: Findings, progress: Progress
) -> wire.Verdict:
    _refuse_miracles(opened, timed)
    measurement = _measurement(opened, timed)
    promotion, fought = None, None
    if _is_contender(opened, request, measurement):
        progress("audit")
        with findings.timed("audit"):
            measurement = _audited(opened, artifact, timed=timed, measurement=measurement, findings=findings)
        progress("duel")
        with findings.timed("duel"):
            promotion, fought = _contend(opened, request, artifact=artifact, timed=timed, findings=findings)
    if promotion and opened.vendor:
        progress("vendor")
        with findings.timed("vendor"):
            measurement = _beside_vendor(opened, artifact, measurement)
    return findings.verdict(
        "passed", measurement=measurement, promotion=promotion, duel=fought.on_wire() if fought else None
    )


def _refuse_miracles(opened: Opened, timed: Timed) -> None:
    """Faster than physics: the peak is measured again before anybody is accused."""
    for case in opened.task.timed:
        call_s = timed.scores[case.name].call_s
        if opened.utilization(case, call_s) > PHYSICS:
            opened.remeasure_peak()
            if (fraction := opened.utilization(case, call_s)) > PHYSICS:
                raise Failed("tampered", f"case {case.name}: {fraction:.2f} of the peak: faster than the core can be")


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
    )


def _mean(task: Task, values: dict[str, float]) -> float:
    """Weighted geometric mean over the timed cases."""
    weight = sum(case.timed for case in task.timed)
    return math.exp(sum(case.timed * math.log(values[case.name]) for case in task.timed) / weight)


def _is_contender(opened: Opened, request: wire.Judge, measurement: wire.Measurement) -> bool:
    if request.incumbent is None or request.incumbent_time is None:
        return True
    margin = max(NOISE_FLOOR, 2 * opened.spread)
    return measurement.time_us <= request.incumbent_time.time_us * (1 + margin)


def _audited(
    opened: Opened, artifact: Path, *, timed: Timed, measurement: wire.Measurement, findings: Findings
) -> wire.Measurement:
    """A candidate that needs company to be fast is scored by its single calls."""
    case = opened.main
    if all(reading.calls == 1 for reading in timed.readings[case.name]):
        return measurement
    with deaths_are_verdicts(case), opened.worker(artifact) as worker:
        single_s = audit.single_call_s(opened.stand(worker, case), limit_s=opened.task.limits.call_s)
    batch_s = timed.scores[case.name].call_s
    measurement = replace(measurement, single_us=single_s * 1e6)
    if single_s <= audit.allowed_s(opened, batch_s):
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


def _contend(
    opened: Opened, request: wire.Judge, *, artifact: Path, timed: Timed, findings: Findings
) -> tuple[str | None, duel.Duel | None]:
    """How the contender became the incumbent, if it did, and the duel it fought."""
    if request.incumbent is None or request.incumbent_time is None:
        return "first", None
    slowest_us = 1e6 * max(reading.call_s for reading in timed.readings[opened.main.name])
    if slowest_us * CLEAR < request.incumbent_time.fastest_us:
        return "clear", None
    incumbent = opened.build(Path(request.incumbent.path))
    if isinstance(incumbent, c_builder.BuildFailure):
        raise duel.IncumbentFailed(f"it does not build any more: {incumbent.detail}")
    quad_us = 2 * (request.incumbent_time.time_us + 1e6 * timed.scores[opened.main.name].call_s)
    quads = int(np.clip(DUEL_S * 1e6 / quad_us, MIN_DUEL_QUADS, duel.QUADS))
    try:
        fought = _fight(opened, artifact, incumbent.artifact, quads=quads, give_up=True)
    except duel.IncumbentFailed as failure:
        findings.notes.append(f"the incumbent failed in the duel: {failure}")
        return "duel", None
    return ("duel" if fought.won else None), fought


def _fight(opened: Opened, contender: Path, incumbent: Path, *, quads: int, give_up: bool) -> duel.Duel:
    case = opened.main
    with (
        deaths_are_verdicts(case),
        opened.worker(contender) as ours,
        opened.worker(incumbent, seat=1) as theirs,
    ):
        sides = opened.stand(ours, case), opened.stand(theirs, case, seat=1)
        return duel.fight(*sides, quads=quads, deadline_s=opened.task.limits.call_s, give_up=give_up)


def _beside_vendor(opened: Opened, artifact: Path, measurement: wire.Measurement) -> wire.Measurement:
    """The vendor line interleaved with a promoted candidate, where that is quick enough."""
    assert opened.vendor is not None
    case, vendor = opened.main, opened.vendor
    quads = min(VENDOR_QUADS, int(VENDOR_S / 2 / (measurement.time_us * 1e-6 + opened.vendor_s)))
    if quads < MIN_VENDOR_QUADS:
        return measurement
    with (
        deaths_are_verdicts(case),
        opened.worker(artifact) as ours,
        opened.worker(vendor.artifact, seat=1, profile=vendor.profile) as theirs,
    ):
        sides = opened.stand(ours, case), opened.stand(theirs, case, seat=1)
        paired = duel.fight(*sides, quads=quads, deadline_s=opened.task.limits.call_s, give_up=False)
    return replace(measurement, vendor_ratio=paired.speedup, vendor_paired=True)


def reproduce(opened: Opened, request: wire.Reproduce) -> None:
    """Run one recorded batch again, unscored, every output compared with the reference.

    Raises:
        Failed: the candidate fails on these inputs, or does not build.
    """
    artifact = _prepare(opened, request.candidate, findings=Findings(), progress=lambda stage: None)
    case = next((case for case in opened.task.cases if case.name == request.case), opened.main)
    with deaths_are_verdicts(case), opened.worker(artifact) as worker:
        stand = opened.stand(worker, case, sets=request.calls)
        stand.refresh(range(request.calls), request.key)
        run = stand.run(range(request.calls), request.key, deadline_s=opened.task.limits.call_s)
        worker.kill()
        run.verify(np.random.default_rng(secrets.randbits(128)), full=True)
