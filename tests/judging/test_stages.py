"""The stages of a measurement on a scripted device: each way to fail with its status and detail."""

import itertools

import pytest
from scripted_judge import at_timed

from harness import guards
from harness.devices.script import Behaviour, Script, ScriptedBuildFailure, ScriptedEvent
from harness.errors import MachineError
from harness.judging import judge
from harness.wire import messages as wire

HIDDEN = "sizes not a multiple of 8"


def test_the_stages_of_a_judgement_are_readable_lists():
    names = [stage.name for stage in (*judge.MEASURE, *judge.CONTEND)]
    assert names == [
        "admit", "build", "correctness", "timing", "floor", "audit", "duel", "vendor", "sustained",
    ]  # fmt: skip


def test_an_honest_candidate_passes_and_the_verdict_lists_its_stages(scripted_judge):
    scripted = scripted_judge(Script(overhead_s=2e-6), honest=Behaviour(call_s=1e-4))
    verdict = scripted.measure("honest")
    assert verdict.status == "passed"
    assert verdict.promotion is None
    assert verdict.measurement.time_us == pytest.approx(100.0, rel=1e-3)
    assert [stage for stage in scripted.stages if ":" not in stage] == ["build", "correctness", "timing"]
    assert set(verdict.durations_s) == {"build", "correctness", "timing"}
    assert verdict.source_digest


def test_each_checked_case_is_announced_and_a_hidden_case_only_by_its_kind(scripted_judge):
    scripted = scripted_judge(honest=Behaviour())
    scripted.measure("honest")
    steps = [stage for stage in scripted.stages if stage.startswith("correctness: ")]
    assert steps[0] == "correctness: case main, 1 of 3"
    assert steps[1] == f"correctness: a hidden case, {HIDDEN}, 2 of 3"


@pytest.mark.parametrize("status", ["build_failed", "rejected"])
def test_a_build_that_fails_has_the_status_that_the_builder_gives(scripted_judge, status):
    verdict = scripted_judge(broken=Behaviour(build=ScriptedBuildFailure("line 3: no", status=status))).measure(
        "broken"
    )
    assert (verdict.status, verdict.detail, verdict.measurement) == (status, "line 3: no", None)


@pytest.mark.parametrize(
    ("event", "status", "detail"),
    [
        (ScriptedEvent(batch=-1, died="exited with 127"), "crashed", "exited with 127 while it was loaded"),
        (ScriptedEvent(batch=-1, overdue=True), "timed_out", "deadline: no answer"),
        (ScriptedEvent(batch=0, died="killed by SIGSEGV"), "crashed", "killed by SIGSEGV in case main"),
        (ScriptedEvent(batch=0, overdue=True), "timed_out", "deadline: no answer within 2 s in case main"),
        (ScriptedEvent(batch=1, died="killed by SIGSEGV"), "crashed", f"ended in a hidden case: {HIDDEN}"),
        (ScriptedEvent(batch=1, overdue=True), "timed_out", f"deadline in a hidden case: {HIDDEN}"),
        (ScriptedEvent(batch=0, mistake="C[0,0] is 1"), "incorrect", "case main: C[0,0] is 1 [inputs main:1:"),
        (ScriptedEvent(batch=1, mistake="C[0,0] is 1"), "incorrect", f"wrong in a hidden case: {HIDDEN}"),
        (ScriptedEvent(batch=0, overrun=4), "incorrect", "wrote outside the outputs: 4 bytes around them changed"),
        (ScriptedEvent(batch=0, excess="3 GiB are taken"), "crashed", "3 GiB are taken"),
        (ScriptedEvent(batch=0, tampered="the inputs were changed"), "tampered", "case main: the inputs were changed"),
        (ScriptedEvent(batch=0, busy="the GPU was still at work"), "tampered", "still at work"),
        (ScriptedEvent(batch=0, late_samples=2), "tampered", "2 of 64 sampled output words changed after the calls"),
        (at_timed(1, died="killed by SIGBUS"), "crashed", "killed by SIGBUS in case main"),
        (at_timed(1, mistake="C[0,0] is 1"), "incorrect", "C[0,0] is 1"),
        (at_timed(1, tampered="the inputs were changed"), "tampered", "the inputs were changed"),
        (at_timed(1, late_samples=1), "tampered", "1 of 64"),
    ],
)
def test_every_way_to_fail_has_a_status_and_a_detail(scripted_judge, event, status, detail):
    verdict = scripted_judge(bad=Behaviour(events=(event,))).measure("bad")
    assert verdict.status == status
    assert detail in verdict.detail
    assert verdict.measurement is None


@pytest.mark.parametrize(
    ("event", "status", "revealed"),
    [
        (ScriptedEvent(batch=1, died="killed by SIGSEGV"), "crashed", "killed by SIGSEGV in case odd, which is hidden"),
        (
            ScriptedEvent(batch=1, overdue=True),
            "timed_out",
            "deadline: no answer within 2 s in case odd, which is hidden",
        ),
        (ScriptedEvent(batch=1, mistake="C[0,0] is 1"), "incorrect", "hidden case odd: C[0,0] is 1"),
        (ScriptedEvent(batch=0, mistake="C[0,0] is 1"), "incorrect", "case main: C[0,0] is 1 [inputs main:1:"),
    ],
)
def test_a_failure_in_a_hidden_case_is_revealed_on_request(scripted_judge, event, status, revealed):
    scripted = scripted_judge(bad=Behaviour(events=(event,)))
    request = wire.Measure("1", "/task", scripted.source("bad"), reveal_hidden=True)
    verdict = judge.measure(scripted.opened, request, scripted.announce)
    assert verdict.status == status
    assert revealed in verdict.detail


def test_the_last_batch_is_examined_after_its_worker_is_dead(scripted_judge):
    scripted = scripted_judge(Script(seed=3), late=Behaviour())
    batches = len(scripted.measure("late").batches)
    # The same script draws the same number of batches again.
    again = scripted_judge(Script(seed=3), late=Behaviour(events=(at_timed(batches - 1, late_samples=5),)))
    assert again.measure("late").status == "tampered"


def test_a_rate_above_the_ceiling_is_tampered(scripted_judge, task):
    impossible_s = task.work(task.timed[0]) / 1.2e12
    verdict = scripted_judge(Script(peak=1e12), miracle=Behaviour(call_s=impossible_s)).measure("miracle")
    assert verdict.status == "tampered"
    assert "1.20 of the peak, which this device cannot reach" in verdict.detail


@pytest.mark.parametrize(("event", "look"), [
    (ScriptedEvent(batch=0, died="killed by SIGKILL"), 1),
    (ScriptedEvent(batch=0, overdue=True), 1),
    (ScriptedEvent(batch=0, busy="still at work"), 1),
])  # fmt: skip
def test_a_failure_that_other_processes_can_cause_is_no_verdict_while_they_compute(scripted_judge, event, look):
    with pytest.raises(MachineError, match="another process computes"):
        scripted_judge(Script(other_processes_at=(look,)), bad=Behaviour(events=(event,))).measure("bad")


def test_a_wrong_output_is_incorrect_even_while_other_processes_compute(scripted_judge):
    scripted = scripted_judge(
        Script(other_processes_at=(1,)), bad=Behaviour(events=(ScriptedEvent(batch=0, mistake="C[0,0] is 1"),))
    )
    assert scripted.measure("bad").status == "incorrect"


def test_nothing_is_judged_while_another_process_computes(scripted_judge):
    with pytest.raises(MachineError, match="another process computes"):
        scripted_judge(Script(other_processes_at=(0,)), honest=Behaviour()).measure("honest")


def test_the_guards_of_a_judgement_are_counted_by_the_devices_clock(scripted_judge):
    guards_s = scripted_judge(honest=Behaviour()).measure("honest").guards_s
    assert {"poison", "checksums", "samples", "verification", "guard bands", "resident work"} == set(guards_s)
    assert all(seconds == 0 for seconds in guards_s.values())


def test_the_guards_of_one_judgement_are_not_counted_in_the_next():
    each_second = itertools.count(0, 10**9).__next__
    ledgers = []
    for _ in range(2):
        with guards.counted(each_second) as spent_s, guards.guard("poison"):
            pass
        ledgers.append(spent_s)
    assert ledgers == [{"poison": 1.0}, {"poison": 1.0}]


def test_the_verdict_on_an_incorrect_candidate_has_guards_and_the_stages_reached(scripted_judge):
    scripted = scripted_judge(bad=Behaviour(events=(ScriptedEvent(batch=0, mistake="C[0,0] is 1"),)))
    verdict = scripted.measure("bad")
    assert verdict.status == "incorrect"
    assert {"poison", "checksums", "verification"} <= set(verdict.guards_s)
    assert set(verdict.durations_s) == {"build", "correctness"}
    assert verdict.isolation == 3
