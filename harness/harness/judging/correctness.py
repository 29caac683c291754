"""The stage `correctness`: call every case of the task once, hidden ones included, and compare every output element
with the reference.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from harness.checking import inputs
from harness.contract import TIMING
from harness.judging.judgement import Judgement
from harness.judging.open_task import OpenTask
from harness.judging.timed_cases import time_batch
from harness.task import Case, Task
from harness.timing.failure import deaths_are_verdicts
from harness.timing.plan import Plan
from harness.wire import messages as wire
from harness.worker import Worker

LAUNCH_BOUND: float = TIMING["plan"]["launch_bound"]
"""Factor on the pace's `graph_below_s`. A pilot below the product may consist mostly of launches, and is measured again
as a CUDA graph."""


def check(judgement: Judgement) -> None:
    """Start the candidate's worker, call every case once and check its outputs; store in `judgement` the worker, and
    each case's pilot (seconds per call, from which batches are planned). Raises CandidateFailed if an output is wrong,
    memory was tampered with, or the worker crashed or timed out.
    """
    judgement.workers.enter_context(_inspected(judgement))
    with deaths_are_verdicts(None):
        judgement.worker = judgement.workers.enter_context(judgement.opened.worker(judgement.built.artifact))
        judgement.pilots_s = check_all(judgement.opened, judgement.worker, judgement)


def check_all(opened: OpenTask, worker: Worker, judgement: Judgement) -> dict[str, float]:
    """Call every case once, compare each output in full with the reference, and return a dict of seconds per call by
    case name. Before each case, `judgement.progress` is called with its name. Raises CandidateFailed if an output is
    wrong, memory was tampered with, or the worker crashed or timed out.
    """
    pilots_s, cases = {}, opened.task.cases
    for number, case in enumerate(cases, 1):
        name = f"a hidden case, {case.kind}" if case.hidden else f"case {case.name}"
        judgement.progress("correctness", f"{name}, {number} of {len(cases)}")
        pilots_s[case.name] = _check(opened, worker, case)
    if opened.pace.pilot_calls:
        pilots_s[opened.main.name] = _pilot(opened, worker)
    return pilots_s


def _check(opened: OpenTask, worker: Worker, case: Case) -> float:
    """Call one case once on fresh inputs, compare every output element with the reference, and return the seconds of
    the call. Raises CandidateFailed if an output is wrong, memory was tampered with, or the worker crashed or timed
    out.
    """
    session, key = opened.session(worker, case).after(0.0), inputs.fresh_key()
    with deaths_are_verdicts(case):
        session.refresh(range(1), key)
        batch = session.run(range(1), key)
    batch.verify(full=True)
    return batch.time.call_s


def _pilot(opened: OpenTask, worker: Worker) -> float:
    """Time a short batch of the main case in the candidate's `worker` and return its seconds per call, from which the
    batches are planned; one call by itself is mostly latency, and a first call also loads code. Batches of very short
    calls are timed again as a CUDA graph. Raises CandidateFailed if an output is wrong, or the worker crashed or timed
    out.
    """
    case = opened.main
    calls = opened.plan(case, pilot_s=opened.pace.target_s / opened.pace.pilot_calls).calls
    plan = Plan(calls, calls, 1, expected_s=0.0, as_graph=False)
    session = opened.session(worker, case, sets=calls).after(0.0)
    with deaths_are_verdicts(case):
        pilot_s = time_batch(session, plan, index=0).call_s
        if pilot_s < LAUNCH_BOUND * opened.pace.graph_below_s:
            pilot_s = time_batch(session, replace(plan, as_graph=True), index=0).call_s
    return pilot_s


@contextmanager
def _inspected(judgement: Judgement) -> Iterator[None]:
    """Let the device read the candidate's machine code with a disassembler while the `with` block runs. When the block
    ends, even with an exception, wait for the result and store the facts (registers, instruction counts) in the
    findings of `judgement`, with notes on instructions that do not fit the task. Yields None.
    """
    findings, opened = judgement.findings, judgement.opened
    with opened.device.inspected(judgement.built) as facts:
        try:
            yield
        finally:
            findings.facts = facts()
            findings.notes += flags(opened.task, findings.facts)


def flags(task: Task, facts: wire.Facts) -> list[str]:
    """Return notes, one string each, on machine code that does not fit the task's arithmetic, such as fp8 instructions
    in a bf16 task; `facts` holds the instruction counts of the build. The list is empty for a CPU task or without
    facts. Readers of the verdict see the notes, and no decision depends on them.
    """
    if task.device != "cuda" or facts.text_bytes is None:
        return []
    has_fp8 = bool(facts.instructions.get("QGMMA"))
    if task.unit == "fp8" and not has_fp8:
        return ["flag: no QGMMA in the machine code: the fp8 tensor cores are not used"]
    if task.unit in ("bf16", "fp16") and has_fp8:
        return [f"flag: QGMMA in the machine code: fp8 arithmetic in a {task.unit} task"]
    return []
