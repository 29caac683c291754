"""Timing of a case: the plan from the pilot, a second plan, CUDA graphs, disturbed timings, races."""

import random
from dataclasses import replace

import pytest
from scripted_judge import CASES, at_timed

from harness.contract import pace
from harness.devices.script import Behaviour, Script, ScriptedEvent
from harness.timing.plan import MIN_BATCHES, Pace, Planner
from harness.wire.messages import Figure

CPU = Pace(**pace("cpu"))


@pytest.fixture
def planner(task) -> Planner:
    return Planner(task, task.timed[0], CPU, set_s=1e-5, cache_bytes=1 << 20)


def test_a_batch_has_the_length_of_the_pace(planner):
    plan = planner.plan(1e-3, random_source=random.Random(0))
    assert plan.calls * 1e-3 == pytest.approx(CPU.target_s)
    assert CPU.batches[0] <= plan.batches <= CPU.batches[1]


def test_the_number_of_batches_is_random(planner):
    drawn = {planner.plan(1e-3, random_source=random.Random(seed)).batches for seed in range(40)}
    assert len(drawn) > 5


def test_a_slow_kernel_has_fewer_batches_but_not_fewer_than_the_minimum(planner):
    assert planner.plan(0.1, random_source=random.Random(0)).batches == 19
    assert planner.plan(60.0, random_source=random.Random(0)).batches == MIN_BATCHES
    assert planner.plan(60.0, random_source=random.Random(0)).calls == 1


def test_operand_sets_exceed_the_cache_if_memory_allows(planner):
    small, large = (
        replace(planner, cache_bytes=size).plan(1e-2, random_source=random.Random(0)) for size in (1 << 16, 1 << 22)
    )
    assert large.sets > small.sets >= small.calls
    one = replace(planner, pace=replace(CPU, max_bytes=1)).plan(1e-2, random_source=random.Random(0))
    assert one.sets == one.calls == 1


def test_operand_sets_that_take_long_to_verify_shorten_batches(planner):
    assert replace(planner, set_s=0.05).plan(1e-4, random_source=random.Random(0)).calls < 3


def test_a_slow_first_call_makes_a_new_plan(scripted_judge):
    scripted = scripted_judge(slow_start=Behaviour(call_s=1e-4, events=(ScriptedEvent(batch=0, call_s=0.05),)))
    verdict = scripted.measure("slow_start")
    assert verdict.measurement.time_us == pytest.approx(100.0, rel=1e-2)
    assert any("planned again" in note for note in verdict.notes)


def test_a_candidate_that_pretends_to_be_slow_is_not_scored_below_half_of_the_last_pilot(scripted_judge):
    pretends = tuple(ScriptedEvent(batch=CASES + n, call_s=0.05 / 4**n) for n in range(4))
    verdict = scripted_judge(
        liar=Behaviour(call_s=1e-6, events=(ScriptedEvent(batch=0, call_s=0.2), *pretends))
    ).measure("liar")
    assert any("not scored below half" in note for note in verdict.notes)
    assert verdict.measurement.time_us > 100


def test_a_disturbed_case_is_measured_again_and_the_note_says_why(scripted_judge):
    scripted = scripted_judge(honest=Behaviour(events=(at_timed(1, disturbed="two loads", call_s=9e-3),)))
    verdict = scripted.measure("honest")
    assert "case main: measured again because it was disturbed: two loads" in verdict.notes
    assert verdict.disturbed == ()
    assert verdict.measurement.time_us == pytest.approx(1000.0)


def test_a_verdict_reports_a_case_that_was_disturbed_twice(scripted_judge):
    everywhere = tuple(at_timed(n, disturbed="two loads") for n in range(80))
    verdict = scripted_judge(honest=Behaviour(events=everywhere)).measure("honest")
    assert verdict.disturbed == (Figure.TIMING,)
    assert any("disturbed in both measurements" in note for note in verdict.notes)


def test_short_calls_run_as_cuda_graphs_if_they_can_be_captured(scripted_judge):
    script = Script(pace="cuda", overhead_s=1e-4)
    for captures in (True, False):
        verdict = scripted_judge(script, short=Behaviour(call_s=1e-5, captures=captures)).measure("short")
        assert any("runs as a CUDA graph" in note for note in verdict.notes)
        assert verdict.measurement.time_us == pytest.approx(10.0, rel=0.2)


def test_a_candidate_slower_than_its_race_allows_is_scored_from_its_first_batches(scripted_judge):
    verdict = scripted_judge(slow=Behaviour(call_s=2e-3)).measure("slow", racing_above_s=1.15e-3)
    assert len(verdict.batches) == 4
    assert any("scored from 4 batches" in note for note in verdict.notes)
    assert verdict.measurement.time_us == pytest.approx(2000.0)


@pytest.mark.parametrize("racing_above_s", [None, 1.15e-3])
def test_a_candidate_that_can_win_its_race_gets_all_batches(scripted_judge, racing_above_s):
    one_slow = (at_timed(0, call_s=3e-3), at_timed(1, call_s=3e-3))
    verdict = scripted_judge(fast=Behaviour(call_s=1e-3, events=one_slow)).measure(
        "fast", racing_above_s=racing_above_s
    )
    assert len(verdict.batches) >= CPU.batches[0]


def test_a_task_with_several_timed_cases_has_no_race(scripted_judge, task):
    cases = tuple(replace(case, timed=1.0, hidden=False) for case in task.cases)
    scripted = scripted_judge(of=replace(task, cases=cases), slow=Behaviour(call_s=2e-3))
    assert len(scripted.measure("slow", racing_above_s=1e-3).batches) > 3 * 4


def test_only_the_calibrated_overhead_is_deducted(scripted_judge):
    scripted = scripted_judge(Script(overhead_s=3e-4), short=Behaviour(call_s=1e-4))
    assert scripted.measure("short").measurement.time_us == pytest.approx(100.0, rel=1e-3)


def test_a_batch_shorter_than_the_overhead_has_a_positive_time(scripted_judge):
    scripted = scripted_judge(
        Script(overhead_s=3e-4), instant=Behaviour(call_s=1e-3, events=(at_timed(0, call_s=1e-9),))
    )
    assert scripted.measure("instant").batches[0].time_us > 0
