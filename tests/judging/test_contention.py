"""Audit, duel, vendor line and promotion on a scripted device."""

from dataclasses import replace
from pathlib import Path

import pytest
from scripted_judge import in_contention

from harness.devices.script import Behaviour, Script, ScriptedBuildFailure, ScriptedEvent, VendorScript
from harness.errors import MachineError
from harness.judging import audit, comparison, contention, judge
from harness.wire.messages import Figure, OpponentRole

FAST, SLOW = Behaviour(call_s=1e-3), Behaviour(call_s=1.2e-3)


def test_the_first_candidate_that_passes_is_promoted_without_a_duel(scripted_judge):
    verdict = scripted_judge(fast=FAST).contend("fast")
    assert (verdict.promotion, verdict.duel) == ("first", None)


def test_a_faster_candidate_wins_its_duel(scripted_judge):
    verdict = scripted_judge(Script(jitter=0.001), fast=FAST, slow=SLOW).contend("fast", "slow")
    assert verdict.promotion == "duel"
    assert verdict.duel.speedup == pytest.approx(1.2, rel=0.01)
    assert verdict.duel.interval.low > 1.01


def test_a_much_faster_candidate_needs_no_duel(scripted_judge):
    scripted = scripted_judge(fast=FAST, slow=Behaviour(call_s=3e-3))
    verdict = scripted.contend("fast", "slow")
    assert (verdict.promotion, verdict.duel) == ("clear", None)


def test_a_candidate_as_fast_as_the_incumbent_is_not_promoted(scripted_judge):
    verdict = scripted_judge(Script(jitter=0.004), one=FAST, other=FAST).contend("one", "other")
    assert verdict.promotion is None
    assert verdict.duel is not None


def test_a_source_that_is_no_longer_admitted_is_a_verdict(scripted_judge):
    scripted = scripted_judge(fast=FAST)
    claim = scripted.claim("fast")
    Path(claim.candidate.path).write_text("void renamed(void) { /* fast */ }\n")
    verdict = judge.contend(scripted.opened, claim, scripted.announce)
    assert verdict.status == "rejected"
    assert "matmul" in verdict.detail


def test_a_slower_candidate_is_not_a_contender_and_has_no_duel(scripted_judge):
    scripted = scripted_judge(fast=FAST, slow=SLOW)
    verdict = scripted.contend("slow", "fast")
    assert (verdict.promotion, verdict.duel, scripted.stages) == (None, None, [])
    assert verdict.measurement.time_us == pytest.approx(1200.0)
    assert verdict.durations_s == {}
    assert verdict.source_digest == scripted.measure("slow").source_digest


def test_a_duel_that_cannot_be_won_is_given_up(scripted_judge):
    scripted = scripted_judge(fast=FAST, slow=Behaviour(call_s=1.02e-3))
    verdict = scripted.contend("slow", "fast")
    assert verdict.duel.quads < scripted.opened.pace.quads


def test_the_first_turn_of_each_side_is_not_counted(scripted_judge):
    loads = in_contention(audit.SINGLE_CALLS, call_s=0.5)
    scripted = scripted_judge(fast=Behaviour(call_s=1e-3, events=(loads,)), slow=SLOW)
    assert scripted.contend("fast", "slow").duel.speedup == pytest.approx(1.2, rel=0.01)


# --- the audit ------------------------------------------------------------------------------------------------------


def test_a_candidate_that_is_fast_only_in_batches_is_scored_by_its_single_calls(scripted_judge):
    scripted = scripted_judge(merging=Behaviour(call_s=1e-3, single_s=2e-3))
    verdict = scripted.contend("merging")
    assert any("scored by its single calls, which take 2.00 times" in note for note in verdict.notes)
    assert verdict.measurement.time_us == pytest.approx(2000.0, rel=0.02)
    assert verdict.measurement.single_us == pytest.approx(2000.0, rel=0.02)


def test_a_candidate_scored_by_single_calls_may_no_longer_be_a_contender(scripted_judge):
    scripted = scripted_judge(merging=Behaviour(call_s=1e-3, single_s=2e-3), slow=SLOW)
    verdict = scripted.contend("merging", "slow")
    assert (verdict.promotion, verdict.duel) == (None, None)
    assert scripted.stages == ["audit"]


def test_slightly_slower_single_calls_do_not_change_the_score(scripted_judge):
    script = Script(vendor=VendorScript(1e-3))
    verdict = scripted_judge(script, honest=Behaviour(call_s=1e-3, single_s=1.05e-3)).contend("honest")
    assert verdict.measurement.time_us == pytest.approx(1000.0, rel=0.01)
    assert not any("single calls" in note for note in verdict.notes)


def test_a_disturbed_audit_is_measured_again(scripted_judge):
    disturbed = in_contention(3, disturbed="a load", call_s=5e-3)
    slow_once = tuple(in_contention(n, call_s=5e-3) for n in range(audit.SINGLE_CALLS) if n != 3)
    verdict = scripted_judge(honest=Behaviour(call_s=1e-3, events=(disturbed, *slow_once))).contend("honest")
    assert any(note.startswith("the audit: measured again") for note in verdict.notes)
    assert verdict.measurement.time_us == pytest.approx(1000.0, rel=0.01)


def test_a_duel_with_calls_faster_than_single_calls_allow_does_not_promote(scripted_judge):
    # Only the calls of the duel are faster than those of the audit, as if they shared work.
    fast_calls = tuple(in_contention(audit.SINGLE_CALLS + n, call_s=0.7e-3) for n in range(120))
    verdict = scripted_judge(sly=Behaviour(call_s=1e-3, events=fast_calls), slow=SLOW).contend("sly", "slow")
    assert "the duel is not counted: the calls in it were faster than single calls allow" in verdict.notes
    assert verdict.promotion is None
    assert verdict.duel is not None


# --- failures in the contention -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (in_contention(0, mistake="C[0,0] is 1"), "incorrect"),
        (in_contention(0, died="killed by SIGSEGV"), "crashed"),
        (in_contention(audit.SINGLE_CALLS + 1, overdue=True), "timed_out"),
        (in_contention(audit.SINGLE_CALLS + 1, tampered="the inputs were changed"), "tampered"),
    ],
)
def test_a_contender_that_fails_in_audit_or_duel_has_failed(scripted_judge, event, status):
    verdict = scripted_judge(bad=Behaviour(call_s=1e-3, events=(event,)), slow=SLOW).contend("bad", "slow")
    assert (verdict.status, verdict.measurement, verdict.promotion) == (status, None, None)


def test_an_incumbent_that_fails_in_the_duel_loses_it(scripted_judge):
    bad = Behaviour(call_s=1.2e-3, events=(ScriptedEvent(worker=1, batch=2, mistake="C[0,0] is 1"),))
    verdict = scripted_judge(fast=FAST, bad=bad).contend("fast", "bad")
    assert verdict.promotion == "duel"
    assert any("the incumbent failed in the duel" in note for note in verdict.notes)


def test_an_incumbent_that_no_longer_loads_loses(scripted_judge):
    bad = Behaviour(call_s=1.2e-3, events=(ScriptedEvent(worker=1, batch=-1, died="exited with 127"),))
    assert scripted_judge(fast=FAST, bad=bad).contend("fast", "bad").promotion == "duel"


def test_an_incumbent_that_fails_while_another_process_computes_does_not_lose(scripted_judge):
    bad = Behaviour(call_s=1.2e-3, events=(ScriptedEvent(worker=1, batch=2, died="killed by SIGKILL"),))
    # Checks for other processes: two measurements, the start of the contention, and after the incumbent has ended.
    with pytest.raises(MachineError, match="another process computes"):
        scripted_judge(Script(other_processes_at=(3,)), fast=FAST, bad=bad).contend("fast", "bad")


def test_a_verdict_reports_a_disturbed_duel(scripted_judge):
    loads = in_contention(audit.SINGLE_CALLS + 3, disturbed="a load")
    verdict = scripted_judge(fast=Behaviour(call_s=1e-3, events=(loads,)), slow=SLOW).contend("fast", "slow")
    assert verdict.disturbed == (Figure.DUEL,)


# --- within a line --------------------------------------------------------------------------------------------------


def test_a_duel_within_a_line_is_short_has_no_audit_and_promotes_nobody(scripted_judge):
    scripted = scripted_judge(Script(jitter=0.001), fast=FAST, slow=SLOW)
    verdict = scripted.contend("fast", "slow", role=OpponentRole.LINE)
    assert verdict.promotion is None
    assert verdict.duel.quads == contention.LINE_QUADS
    assert verdict.duel.speedup == pytest.approx(1.2, rel=0.01)
    assert scripted.stages == ["duel"]


def test_a_slower_candidate_has_a_duel_within_its_line(scripted_judge):
    verdict = scripted_judge(fast=FAST, slow=SLOW).contend("slow", "fast", role=OpponentRole.LINE)
    assert verdict.duel.speedup == pytest.approx(1 / 1.2, rel=0.01)


def test_the_head_of_a_line_that_fails_promotes_nobody(scripted_judge):
    bad = Behaviour(call_s=1.2e-3, events=(ScriptedEvent(worker=1, batch=1, mistake="C[0,0] is 1"),))
    verdict = scripted_judge(fast=FAST, bad=bad).contend("fast", "bad", role=OpponentRole.LINE)
    assert verdict.promotion is None
    assert any("the head of the line failed in the duel" in note for note in verdict.notes)


# --- what is measured of promoted candidates only -------------------------------------------------------------------


def test_a_promoted_candidate_runs_interleaved_with_the_vendor_line(scripted_judge):
    verdict = scripted_judge(Script(vendor=VendorScript(0.9e-3, "a library")), fast=FAST).contend("fast")
    assert verdict.measurement.vendor_paired
    assert verdict.measurement.vendor_ratio == pytest.approx(0.9, rel=0.01)
    assert any("times as fast as a library in 12 interleaved quads" in note for note in verdict.notes)


def test_for_slow_kernels_the_vendor_ratio_is_the_ratio_of_the_scores(scripted_judge):
    verdict = scripted_judge(Script(vendor=VendorScript(2.0)), slow=Behaviour(call_s=2.0)).contend("slow")
    assert not verdict.measurement.vendor_paired
    assert verdict.measurement.vendor_ratio == pytest.approx(1.0, rel=0.01)


def test_a_candidate_that_is_not_promoted_is_not_compared_with_the_vendor_line(scripted_judge):
    scripted = scripted_judge(Script(vendor=VendorScript(0.9e-3), jitter=0.004), one=FAST, other=FAST)
    assert not scripted.contend("one", "other").measurement.vendor_paired
    assert "vendor" not in scripted.stages


def test_a_promoted_candidate_also_runs_without_idle_gaps_if_heat_slows_the_device(scripted_judge):
    verdict = scripted_judge(Script(pace="cuda", vendor=VendorScript(1e-3)), fast=FAST).contend("fast")
    assert verdict.measurement.sustained_us == pytest.approx(1000.0, rel=0.01)
    assert scripted_judge(fast=FAST).contend("fast").measurement.sustained_us is None


def test_an_incumbent_that_no_longer_builds_loses(scripted_judge):
    scripted = scripted_judge(fast=FAST, slow=SLOW)
    claim = scripted.claim("fast", "slow")
    fast, slow, *rest = scripted.device.script.candidates
    gone = replace(slow, build=ScriptedBuildFailure("no such header"))
    scripted.device.script = replace(scripted.device.script, candidates=(fast, gone, *rest))
    verdict = judge.contend(scripted.opened, claim, scripted.announce)
    assert verdict.promotion == "duel"
    assert any("it no longer builds: no such header" in note for note in verdict.notes)


# --- terms of a duel ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("calls_s", "quads"), [(1e-3, 24), (0.5, 20), (100.0, comparison.MIN_DUEL_QUADS)], ids=["quick", "slow", "slowest"]
)
def test_a_duel_of_slow_kernels_has_fewer_quads_but_not_fewer_than_the_minimum(scripted_judge, calls_s, quads):
    sides = comparison.PairedComparison(scripted_judge().opened, None, None)
    assert sides.terms(calls_s).quads == quads


def test_a_turn_of_short_calls_holds_several_calls(scripted_judge):
    sides = comparison.PairedComparison(scripted_judge().opened, None, None)
    assert sides.terms(1e-4).calls > 10
    assert sides.terms(1e-1).calls == 1


def test_a_requested_duel_is_not_given_up(scripted_judge):
    sides = comparison.PairedComparison(scripted_judge().opened, None, None)
    assert sides.terms(1e-3, give_up=False).futility_every == sides.terms(1e-3).quads
