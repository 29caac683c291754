"""One candidate, stage by stage: admit, build, check, time, audit, duel. The file to read first in the harness.

A bad kernel is a verdict; whatever else goes wrong is raised, and answered as an error of the harness. The candidate
runs in workers of opened.py; the clock is clock.py's; what is right is verify.py's to say.
"""

import hashlib
import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from harness import guards
from harness.checking import inputs
from harness.compiling.built import BuildFailure, Built
from harness.contract import TIMING
from harness.devices import Watch
from harness.errors import MachineError
from harness.judging import duel, promote
from harness.judging.findings import Findings, Progress, Timed
from harness.judging.opened import Opened, opened_plan
from harness.memory.layout import sets_that_fit
from harness.task import Case, Task
from harness.timing import clock
from harness.timing.clock import Reading, Stand
from harness.timing.failure import Failed, deaths_are_verdicts
from harness.wire import messages as wire
from harness.worker.doorbell import Worker

MAX_PLANS: int = TIMING["plan"]["most_plans"]
"""Of one case. A candidate that got faster after each of them is not scored below half of what the last one assumed."""
AS_GRAPH = "calls are so short that each batch runs as a CUDA graph, where they can be captured"
LAUNCH_BOUND: float = TIMING["plan"]["launch_bound"]
"""A pilot within this factor of what runs as a graph may be mostly launches, and is made again as one."""
REPLAN_FACTOR: float = TIMING["plan"]["replan_factor"]
"""A score under the pilot by more than this was planned from a misleading pilot."""


def judge(opened: Opened, request: wire.Judge, progress: Progress) -> wire.Verdict:
    """The verdict on one candidate.

    Raises:
        OSError, sandbox.SandboxError, MachineError: the harness failed; nothing was found out about the candidate.
    """
    opened.workplace.refuse_company()
    with guards.counted() as guards_s:
        findings = Findings(guards_s=guards_s)
        try:
            with promote.alone(opened, workers=0):
                return _judged(opened, request, findings=findings, progress=progress)
        except Failed as failed:
            return findings.verdict(failed.status, failed.detail)


def _judged(opened: Opened, request: wire.Judge, *, findings: Findings, progress: Progress) -> wire.Verdict:
    built = _prepare(opened, request.candidate, findings=findings, progress=progress)
    progress("correctness")
    timed = _check_and_time(opened, built, findings=findings, progress=progress)
    artifact = built.artifact
    return promote.score(opened, request, artifact=artifact, timed=timed, findings=findings, progress=progress)


def compare(opened: Opened, request: wire.DuelRequest, progress: Progress) -> duel.Duel | wire.Verdict:
    """A duel on demand, once the candidates are built and checked; else the verdict on the one that fails.

    Raises:
        MachineError: there is no vendor line here, or the kernels are too slow to be compared with it.
    """
    checked = []
    for side, source in (("A", request.candidate), ("B", request.incumbent)):
        findings = Findings()
        try:
            checked += [_checked(opened, source, findings=findings, progress=progress)] if source else []
        except Failed as failed:
            return findings.verdict(failed.status, f"{side}: {failed.detail}")
    progress("duel")
    try:
        return _compared(opened, checked)
    except Failed as failed:
        return Findings().verdict(failed.status, f"A, in the duel: {failed.detail}")
    except duel.IncumbentFailed as failure:
        return Findings().verdict(failure.status, f"B, in the duel: {failure}")


def _checked(opened: Opened, source: wire.Source, *, findings: Findings, progress: Progress) -> tuple[Path, float]:
    """The artifact of a candidate that is right in every case, and the seconds of its main case's pilot."""
    artifact = _prepare(opened, source, findings=findings, progress=progress).artifact
    with promote.alone(opened, workers=0), deaths_are_verdicts(None), opened.worker(artifact) as worker:
        return artifact, _check_all(opened, worker)[opened.main.name]


def _compared(opened: Opened, checked: list[tuple[Path, float]]) -> duel.Duel:
    (contender, call_s), *others = checked
    with promote.alone(opened, workers=0), deaths_are_verdicts(opened.main), opened.worker(contender) as worker:
        if others:
            rival, rival_s = others[0]
            return promote.fight(opened, worker, promote.Rival(rival), calls_s=call_s + rival_s, give_up=False)
        if (fought := promote.beside_vendor(opened, worker, call_s=call_s)) is None:
            raise MachineError("no vendor line to be compared with in a reasonable time")
        return fought


# --- admit and build ---------------------------------------------------------------------------------------------


def _prepare(opened: Opened, source: wire.Source, *, findings: Findings, progress: Progress) -> Built:
    path = Path(source.path)
    _admit(opened.task, path, language=source.language, findings=findings)
    progress("build")
    findings.isolation = int(opened.workplace.isolation.level)
    with findings.timed("build"):
        built = opened.build(path, language=source.language)
    if isinstance(built, BuildFailure):
        raise Failed("build_failed", built.detail)
    findings.facts = built.facts
    return built


@contextmanager
def _inspected(opened: Opened, built: Built, findings: Findings) -> Iterator[None]:
    """The machine code is read beside the work of the judge, on cores that are free."""
    with opened.workplace.inspected(built) as facts:
        try:
            yield
        finally:
            findings.facts = facts()
            findings.notes += _flags(opened.task, findings.facts)


def _flags(task: Task, facts: wire.Facts) -> list[str]:
    """What the machine code says against the task's arithmetic; a reader decides."""
    if task.device != "cuda" or facts.text_bytes is None:
        return []
    has_fp8 = bool(facts.instructions.get("QGMMA"))
    if task.unit == "fp8" and not has_fp8:
        return ["flag: no QGMMA in the machine code: the fp8 tensor cores are not used"]
    if task.unit in ("bf16", "fp16") and has_fp8:
        return [f"flag: QGMMA in the machine code: fp8 arithmetic in a {task.unit} task"]
    return []


def _admit(task: Task, path: Path, *, language: str, findings: Findings) -> None:
    """Refuse before building what cannot be a candidate."""
    size = _digest(path, language=language, findings=findings)
    if language not in task.languages:
        raise Failed("rejected", f"written in {language}; this task takes {', '.join(task.languages)}")
    if size > task.limits.source_bytes:
        raise Failed("rejected", f"{size:,} bytes of source; the limit is {task.limits.source_bytes:,}")
    content = path.read_bytes()
    if b"\0" in content:
        raise Failed("rejected", f"a NUL byte at offset {content.index(0)}: not source text")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Failed("rejected", f"not UTF-8 at byte {error.start}") from error
    _admit_text(task, text)


def _digest(path: Path, *, language: str, findings: Findings) -> int:
    """Note the file's digest, piece by piece, for it may be of any size; the size in bytes."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file")
    digest, size = hashlib.sha256(language.encode() + b"\0"), 0
    with open(path, "rb") as source:
        while piece := source.read(1 << 20):
            digest.update(piece)
            size += len(piece)
    findings.source_digest = digest.hexdigest()
    return size


def _admit_text(task: Task, text: str) -> None:
    if not re.search(rf"\b{re.escape(task.entry)}\s*\(", text):
        raise Failed("rejected", f"no function {task.entry}: the entry point is missing")
    for forbidden in task.forbidden:
        if forbidden in text:
            raise Failed("rejected", f"{forbidden!r} is forbidden by the task")


# --- check and time ----------------------------------------------------------------------------------------------


def _check_and_time(opened: Opened, built: Built, *, findings: Findings, progress: Progress) -> Timed:
    with deaths_are_verdicts(None), ExitStack() as stack:
        stack.enter_context(_inspected(opened, built, findings))
        with findings.timed("correctness"):
            worker = stack.enter_context(opened.worker(built.artifact))
            pilots = _check_all(opened, worker)
        progress("timing")
        with findings.timed("timing"):
            readings = _time_all(opened, worker, pilots=pilots, findings=findings)
    rng = np.random.default_rng(secrets.randbits(128))
    scores = {name: clock.score(of_case, quantile=opened.pace.quantile, rng=rng) for name, of_case in readings.items()}
    return Timed(readings, scores, pilots[opened.main.name])


def _check_all(opened: Opened, worker: Worker) -> dict[str, float]:
    """Every case once, hidden ones too, compared in full; seconds of each call."""
    times = {case.name: _check(opened, worker, case) for case in opened.task.cases}
    if opened.pace.pilot_calls:
        times[opened.main.name] = _pilot(opened, worker)
    return times


def _pilot(opened: Opened, worker: Worker) -> float:
    """Seconds a call of a short batch: the very first call loads code, and one alone is mostly latency."""
    case = opened.main
    calls = opened_plan(opened, case, pilot_s=opened.pace.target_s / opened.pace.pilot_calls).calls
    plan = clock.Plan(calls, calls, 1, expected_s=0.0, as_graph=False)
    stand = opened.stand(worker, case, sets=calls).after(0.0)
    with deaths_are_verdicts(case):
        pilot_s = _batch(stand, plan=plan, index=0, kill=False).call_s
        if pilot_s < LAUNCH_BOUND * opened.pace.graph_below_s:
            pilot_s = _batch(stand, plan=replace(plan, as_graph=True), index=0, kill=False).call_s
    return pilot_s


def _check(opened: Opened, worker: Worker, case: Case) -> float:
    stand, key = opened.stand(worker, case).after(0.0), inputs.fresh_key()
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
        findings.batches += [wire.Batch(case.name, r.calls, r.call_s * 1e6, r.key, r.telemetry) for r in of_case]
        readings[case.name] = of_case
    return readings


def _time_case(
    opened: Opened, worker: Worker, case: Case, *, pilot_s: float, is_last: bool, findings: Findings
) -> list[Reading]:
    """The readings of one plan. A plan made from slow calls is made again, and at last counts what it was made from."""
    with deaths_are_verdicts(case):
        for left in reversed(range(MAX_PLANS)):
            plan = opened_plan(opened, case, pilot_s=pilot_s)
            findings.notes += [f"case {case.name}: {AS_GRAPH}"] if plan.as_graph else []
            stand = opened.stand(worker, case, sets=plan.sets)
            least_s = pilot_s / REPLAN_FACTOR
            misled_below_s = least_s if left else 0.0
            readings = findings.undisturbed(
                wire.Figure.TIMING,
                partial(_all_but_last, stand, plan, misled_below_s),
                name=f"case {case.name}",
                watch=partial(opened.workplace.watch, worker),
                is_settled=partial(_is_misled, below_s=misled_below_s),
            )
            pilot_s = min(reading.call_s for reading in readings)
            if pilot_s >= least_s:
                break
            done = "planned again" if left else "not scored below half of the calls it was planned from"
            findings.notes.append(f"case {case.name}: {done}, for its first calls were not typical")
        readings.append(_batch(stand, plan=plan, index=len(readings), kill=is_last))
    return [replace(reading, call_s=max(reading.call_s, least_s)) for reading in readings]


def _is_misled(readings: list[Reading], *, below_s: float) -> bool:
    return readings[-1].call_s < below_s


def _all_but_last(stand: Stand, plan: clock.Plan, misled_below_s: float, watch: Watch) -> list[Reading]:
    """Timed batches on rotating sets, each with fresh inputs and verified; no more once one shows the plan wrong."""
    readings: list[Reading] = []
    for index in range(plan.batches - 1):
        readings.append(_batch(stand, plan=plan, index=index, kill=False))
        watch.look()
        if _is_misled(readings, below_s=misled_below_s):
            break
    return readings


def _batch(stand: Stand, *, plan: clock.Plan, index: int, kill: bool) -> Reading:
    first = index * plan.calls % (plan.sets - plan.calls + 1)
    sets, key, deadline_s = range(first, first + plan.calls), inputs.fresh_key(), stand.task.limits.call_s
    if plan.as_graph:
        stand = stand.capture(sets, deadline_s=deadline_s)
    stand.refresh(sets, key)
    run = stand.run(sets, key, deadline_s=deadline_s, expected_s=plan.expected_s)
    if kill:
        # Reaped before the outputs are examined: what was still to be written never lands.
        stand.worker.kill()
    rng = np.random.default_rng(secrets.randbits(128))
    run.verify(rng)
    if kill and stand.task.check.independent:
        run.verify_one(rng)
    return run.reading


def reproduce(opened: Opened, request: wire.Reproduce) -> None:
    """Run one recorded batch again, unscored, every output compared with the reference.

    Raises:
        Failed: the candidate fails on these inputs, or does not build.
    """
    case = next((case for case in opened.task.cases if case.name == request.case), None)
    if case is None or request.calls > sets_that_fit(opened.task, case, max_bytes=opened.pace.max_bytes):
        raise Failed("rejected", f"no batch {request.case}:{request.calls} can have been recorded of this task")
    built = _prepare(opened, request.candidate, findings=Findings(), progress=lambda stage: None)
    with promote.alone(opened, workers=0), deaths_are_verdicts(case), opened.worker(built.artifact) as worker:
        stand = opened.stand(worker, case, sets=request.calls)
        stand.refresh(range(request.calls), request.key)
        run = stand.run(range(request.calls), request.key, deadline_s=opened.task.limits.call_s)
        worker.kill()
        run.verify(np.random.default_rng(secrets.randbits(128)), full=True)
