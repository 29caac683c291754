"""Judge a candidate stage by stage and return its verdict. Read this file first in the harness.

`measure` finds out whether a candidate is right and how fast it is, and may run on any device. `contend` compares a
measured candidate with its opponent. Contentions run one after another, because each may change the incumbent.

A bad kernel is a verdict. Every other failure is raised as an exception and answered as an error of the harness.
"""

from pathlib import Path

from harness import guards
from harness.errors import MachineError
from harness.judging import admission, contention, correctness, duel, measurement, timed_cases
from harness.judging.comparison import OpponentKernel, PairedComparison, fight_vendor
from harness.judging.contention import Contention
from harness.judging.findings import Findings
from harness.judging.judgement import (
    IncumbentFailed,
    Judgement,
    Progress,
    Stage,
    check_device_on_failure,
    no_progress,
    run_stages,
)
from harness.judging.open_task import OpenTask
from harness.memory.layout import sets_that_fit
from harness.task import Case
from harness.timing.failure import CandidateFailed, deaths_are_verdicts
from harness.timing.score import BatchTime
from harness.wire import messages as wire

PREPARE = (
    Stage("admit", admission.admit, is_timed=False),
    Stage("build", admission.build),
)
"""Stages that make an artifact of a source."""
MEASURE = (
    *PREPARE,
    Stage("correctness", correctness.check),
    Stage("timing", timed_cases.time_cases),
    Stage("floor", measurement.check_physics_floor, is_timed=False),
)
"""Stages of `measure`."""
CONTEND = (
    Stage("audit", contention.audit_calls, applies=contention.is_audited),
    Stage("duel", contention.fight, applies=contention.is_contender),
    Stage("vendor", contention.compare_with_vendor, applies=contention.is_compared_with_vendor),
    Stage("sustained", contention.sustain, applies=contention.is_sustained),
)
"""Stages of `contend`."""


def measure(opened: OpenTask, request: wire.Measure, progress: Progress) -> wire.Verdict:
    """Build, check and time the request's candidate and return the verdict; a bad candidate gives a failed verdict, not
    an exception. It is not compared with other candidates, so none is promoted. The callback `progress` receives the
    name of each stage. Raises OSError if the source cannot be read, and MachineError if the machine fails or another
    process computes on the device.
    """
    judgement = _judgement(opened, request.candidate, progress)
    judgement.racing_above_s = request.racing_above_s
    findings = judgement.findings
    opened.device.require_no_other_processes()
    with guards.counted(opened.device.clock.now_ns) as findings.guards_s:
        try:
            with check_device_on_failure(opened, workers=0), judgement.workers:
                run_stages(MEASURE, judgement)
        except CandidateFailed as failed:
            detail = failed.revealed if request.reveal_hidden else failed.detail
            return findings.verdict(failed.status, detail)
    return findings.verdict("passed", measurement=judgement.measurement)


def contend(opened: OpenTask, request: wire.Contend, progress: Progress) -> wire.Verdict:
    """Compare the request's candidate, which passed `measure`, with its opponent and return the verdict; the field
    `promotion` holds the reason if the candidate becomes the incumbent, the run's best. The callback `progress`
    receives the name of each stage. Raises OSError if the source cannot be read, MachineError if the machine fails.

    The verdict does not repeat the facts and batches of the measurement.
    """
    judgement = _judgement(opened, request.candidate, progress)
    batches = [BatchTime(batch.time_us * 1e-6, batch.calls, batch.key) for batch in request.batches]
    state = Contention(judgement, request.measurement, batches, request.opponent)
    findings = judgement.findings
    with guards.counted(opened.device.clock.now_ns) as findings.guards_s:
        try:
            admission.admit(judgement)
            if state.is_contender:
                opened.device.require_no_other_processes()
                _contend(state)
        except CandidateFailed as failed:
            return findings.verdict(failed.status, failed.detail)
    return findings.verdict("passed", measurement=state.measurement, promotion=state.promotion, duel=state.duel)


def _contend(state: Contention) -> None:
    """Build the candidate, usually from the cache, and run the stages audit, duel, comparison with the vendor's library
    and sustained run, as far as they apply; results are stored in `state`. Raises CandidateFailed if the candidate does
    not build or fails in a stage, and MachineError if it failed while another process computed on the device.
    """
    opened, judgement = state.opened, state.judgement
    with check_device_on_failure(opened, workers=0), state.workers:
        # The build comes from the cache unless another machine measured the candidate.
        admission.build(judgement)
        with deaths_are_verdicts(opened.main):
            run_stages(CONTEND, state)


def _judgement(opened: OpenTask, source: wire.Source, progress: Progress) -> Judgement:
    """Return a new judgement of the source file in `source` (path and language): no stage has run, and its findings are
    empty. The callback `progress` will receive the name of each stage.
    """
    return Judgement(opened, source, progress, Findings(opened.device.clock))


# --- other requests ---------------------------------------------------------------------------------------------------


def compare(opened: OpenTask, request: wire.DuelRequest, progress: Progress) -> duel.Duel | wire.Verdict:
    """Build and check the request's two candidates and run a duel between them, or with the vendor's library if the
    request names only one. Return the duel, or a failed verdict if a candidate failed. The callback `progress` receives
    the name of each stage. Raises OSError if a source cannot be read, MachineError if there is no library to compare
    with or the machine fails.
    """
    checked: list[tuple[Path, float]] = []
    for side, source in (("A", request.candidate), ("B", request.incumbent)):
        if source is None:
            continue
        judgement = _judgement(opened, source, progress)
        try:
            checked.append(_checked(judgement))
        except CandidateFailed as failed:
            return judgement.findings.verdict(failed.status, f"{side}: {failed.detail}")
    progress("duel")
    try:
        return _compared(opened, checked)
    except CandidateFailed as failed:
        return Findings().verdict(failed.status, f"A, in the duel: {failed.detail}")
    except IncumbentFailed as failure:
        return Findings().verdict(failure.status, f"B, in the duel: {failure}")


def _checked(judgement: Judgement) -> tuple[Path, float]:
    """Build a candidate and call every case once. Return (path of the artifact, seconds per call of the main case).
    Raises CandidateFailed if the source is refused, does not build or fails in a case, and OSError if the source cannot
    be read.
    """
    opened = judgement.opened
    run_stages(PREPARE, judgement)
    artifact = judgement.built.artifact
    with check_device_on_failure(opened, workers=0), deaths_are_verdicts(None), opened.worker(artifact) as worker:
        return artifact, correctness.check_all(opened, worker, judgement)[opened.main.name]


def _compared(opened: OpenTask, checked: list[tuple[Path, float]]) -> duel.Duel:
    """Run a duel between two checked candidates, or between one and the vendor's library, and return it. `checked`
    holds (artifact, seconds per call) of each. Raises CandidateFailed if the first fails, IncumbentFailed if the
    opponent fails, and MachineError if there is no library or the kernel is too slow for it.
    """
    (artifact, call_s), *others = checked
    with (
        check_device_on_failure(opened, workers=0),
        deaths_are_verdicts(opened.main),
        opened.worker(artifact) as worker,
    ):
        if others:
            rival, rival_s = others[0]
            comparison = PairedComparison(opened, worker, OpponentKernel(rival))
            return comparison.fight(comparison.terms(call_s + rival_s, give_up=False))
        if (result := fight_vendor(opened, worker, call_s=call_s)) is None:
            raise MachineError("there is no vendor line, or the kernel is too slow to be compared with it")
        return result


def reproduce(opened: OpenTask, request: wire.Reproduce) -> tuple[bool, str]:
    """Run one batch again on the inputs that the key in `request` generates, without a score, to see whether a recorded
    failure repeats. Return (whether every output is right, a sentence that says what happened); a candidate that fails
    gives False. Raises OSError if the source cannot be read, MachineError if the machine fails.
    """
    judgement, sets = _judgement(opened, request.candidate, no_progress), range(request.calls)
    try:
        case = _recorded_case(opened, name=request.case, calls=request.calls)
        run_stages(PREPARE, judgement)
        artifact = judgement.built.artifact
        with check_device_on_failure(opened, workers=0), deaths_are_verdicts(case), opened.worker(artifact) as worker:
            session = opened.session(worker, case, sets=request.calls)
            session.refresh(sets, request.key)
            batch = session.run(sets, request.key)
            worker.kill()
            batch.verify(full=True)
    except CandidateFailed as failed:
        return False, f"{failed.status}: {failed.detail}"
    return True, "all outputs of the batch are right"


def _recorded_case(opened: OpenTask, *, name: str, calls: int) -> Case:
    """Return the task's case of this name. Raises CandidateFailed with status `rejected` if the task has no such case,
    or if a batch of `calls` calls, each with its own inputs and outputs, does not fit into memory.
    """
    case = next((case for case in opened.task.cases if case.name == name), None)
    if case is None or calls > sets_that_fit(opened.task, case, max_bytes=opened.pace.max_bytes):
        raise CandidateFailed("rejected", f"this task has no case {name} whose batches hold {calls} calls")
    return case
