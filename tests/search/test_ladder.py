"""Tests of the plateau ladder: stance and parent of the next ask after every kind of outcome."""

import pytest

from kernelsmith.core.attempt import Stance
from kernelsmith.core.budget import spent
from kernelsmith.core.run import StopReason
from kernelsmith.core.verdict import Status
from kernelsmith.search import Ladder
from kernelsmith.search.plateau import begins_a_rung, idle, on_this_rung, plateaus

BROKEN = [
    Status.REJECTED,
    Status.BUILD_FAILED,
    Status.CRASHED,
    Status.TIMED_OUT,
    Status.INCORRECT,
    Status.TAMPERED,
]


def test_the_first_ask_has_the_stance_open(story):
    asked = story().next
    assert (asked.stance, asked.parent) == (Stance.OPEN, None)


# --- repair ---


@pytest.mark.parametrize("status", BROKEN)
def test_an_attempt_with_any_failed_status_is_repaired(story, status):
    asked = story().fails(status).next
    assert (asked.stance, asked.parent) == (Stance.REPAIR, 0)
    assert status in asked.reason


def test_a_failed_repair_is_the_parent_of_the_next_repair(story):
    asked = story().fails(times=2).next
    assert (asked.stance, asked.parent) == (Stance.REPAIR, 1)


def test_after_three_failed_repairs_the_next_stance_is_open_if_nothing_has_passed(story):
    run = story().fails(times=4)
    assert run.stances == [Stance.OPEN, Stance.REPAIR, Stance.REPAIR, Stance.REPAIR]
    assert (run.next.stance, run.next.parent) == (Stance.OPEN, None)


def test_a_new_kernel_after_three_failed_repairs_is_repaired_again(story):
    asked = story().fails(times=5).next
    assert (asked.stance, asked.parent) == (Stance.REPAIR, 4)


def test_after_three_failed_repairs_the_rung_continues_from_the_incumbent(story):
    run = story(plateau=8).passes(0.2).fails(times=4)
    assert run.stances[1:] == [Stance.REFINE, Stance.REPAIR, Stance.REPAIR, Stance.REPAIR]
    assert (run.next.stance, run.next.parent) == (Stance.REFINE, 0)


def test_a_repair_that_passes_ends_the_repairs(story):
    run = story(plateau=8).passes(0.2).fails().passes(0.1).fails()
    assert (run.next.stance, run.next.parent) == (Stance.REPAIR, 3)


def test_a_rejected_duplicate_of_a_passed_kernel_is_not_repaired(story):
    asked = story(plateau=8).passes(0.2, 0.1).repeats(0).next
    assert (asked.stance, asked.parent) == (Stance.REFINE, 0)


def test_a_rejected_duplicate_of_a_failed_kernel_is_not_repaired(story):
    run = story(plateau=8).passes(0.2).fails().repeats(1)
    assert run.stances[-1] is Stance.REPAIR
    assert run.next.stance is Stance.REFINE


def test_a_repair_without_a_candidate_is_followed_by_another_repair_of_the_same_attempt(story):
    run = story(plateau=8).passes(0.2).fails().fails(Status.NO_CANDIDATE)
    assert (run.next.stance, run.next.parent) == (Stance.REPAIR, 1)


def test_a_repair_without_a_candidate_counts_as_a_failed_repair(story):
    asked = story(plateau=8).passes(0.2).fails().fails(Status.NO_CANDIDATE, times=3).next
    assert asked.stance is Stance.REFINE


def test_an_attempt_without_a_candidate_is_not_repaired(story):
    asked = story(plateau=8).passes(0.2).fails(Status.NO_CANDIDATE).next
    assert (asked.stance, asked.parent) == (Stance.REFINE, 0)


def test_a_sweep_trial_that_fails_is_not_repaired(story):
    run = story(plateau=8).passes(0.2, 0.1).sweeps(Status.CRASHED, Status.INCORRECT)
    assert (run.next.stance, run.next.parent) == (Stance.REFINE, 0)


def test_a_failed_trial_0_is_repaired_even_if_a_sweep_trial_passed(story):
    run = story(plateau=8).passes(0.2).fails().sweeps(0.1, Status.CRASHED)
    assert (run.next.stance, run.next.parent) == (Stance.REPAIR, 1)


def test_the_limit_of_repairs_in_a_row_counts_asks_and_not_trials(story):
    run = story(plateau=8).passes(0.2).fails()
    for _ in range(2):
        run.fails().sweeps(Status.INCORRECT, Status.INCORRECT)
    assert (run.next.stance, run.next.parent) == (Stance.REPAIR, 5)
    assert run.fails().next.stance is Stance.REFINE


# --- the rungs ---


def test_after_a_promotion_the_next_parent_is_the_new_incumbent(story):
    asked = story().passes(0.2, 0.3).next
    assert (asked.stance, asked.parent) == (Stance.REFINE, 1)


def test_every_plateau_moves_one_rung_up_and_the_first_rung_follows_the_last(story):
    run = story(plateau=2).passes(0.9).passes(*[0.1] * 12)
    up = [Stance.REFINE, Stance.DIAGNOSE, Stance.RESTRUCTURE, Stance.REVIVE, Stance.RESTART, Stance.REFINE]
    assert run.stances[1:] == [stance for stance in up for _ in range(2)]


def test_the_config_sets_the_number_of_asks_in_a_plateau(story):
    run = story(plateau=4).passes(0.9, 0.1, 0.1, 0.1)
    assert run.next.stance is Stance.REFINE
    asked = run.passes(0.1).next
    assert asked.stance is Stance.DIAGNOSE
    assert asked.reason == "no duel won for 4 asks"


def test_a_promotion_on_a_higher_rung_returns_to_refine_from_the_new_incumbent(story):
    run = story(plateau=2).passes(0.5, 0.1, 0.1, 0.1, 0.1)
    assert run.next.stance is Stance.RESTRUCTURE
    asked = run.passes(0.6).next
    assert (asked.stance, asked.parent) == (Stance.REFINE, 5)


def test_repair_asks_count_towards_the_plateau(story):
    run = story(plateau=3).passes(0.5).fails().fails().passes(0.1)
    assert run.stances == [Stance.OPEN, Stance.REFINE, Stance.REPAIR, Stance.REPAIR]
    assert run.next.stance is Stance.DIAGNOSE


def test_a_failure_at_the_end_of_a_rung_is_repaired_before_the_next_rung(story):
    run = story(plateau=2).passes(0.5, 0.1).fails()
    assert (run.next.stance, run.next.parent) == (Stance.REPAIR, 2)
    assert run.passes(0.1).next.stance is Stance.DIAGNOSE


@pytest.mark.parametrize(("idling", "stance"), [(1, Stance.REFINE), (3, Stance.DIAGNOSE)])
def test_refine_and_diagnose_start_from_the_incumbent(story, idling, stance):
    asked = story(plateau=2).passes(0.5, *[0.1] * idling).next
    assert (asked.stance, asked.parent) == (stance, 0)


# --- new lines ---


def _on_rung(run, stance):
    """Add slow attempts until the next ask has this stance."""
    while run.next.stance is not stance:
        run.passes(0.1)
    return run


def test_a_restructured_line_starts_from_the_incumbent(story):
    asked = _on_rung(story().passes(0.5), Stance.RESTRUCTURE).next
    assert asked.parent == 0


def test_a_restart_has_no_parent(story):
    asked = _on_rung(story().passes(0.5), Stance.RESTART).next
    assert asked.parent is None


@pytest.mark.parametrize("stance", [Stance.RESTRUCTURE, Stance.REVIVE, Stance.RESTART])
def test_a_new_line_continues_from_its_own_fastest_attempt(story, stance):
    run = _on_rung(story(plateau=4).passes(0.5), stance)
    fastest = len(run.attempts)
    run.passes(0.3, 0.2)
    assert (run.next.stance, run.next.parent) == (stance, fastest)


@pytest.mark.parametrize("stance", [Stance.RESTRUCTURE, Stance.RESTART])
def test_a_new_line_without_a_passed_attempt_begins_again_from_the_same_parent(story, stance):
    run = _on_rung(story(plateau=8).passes(0.5), stance)
    began = run.next.parent
    run.fails(times=4)
    assert (run.next.stance, run.next.parent) == (stance, began)


def test_a_revived_attempt_is_no_ancestor_of_the_incumbent(story):
    run = story(plateau=2).passes(0.2, 0.19)
    run.passes(0.3, parent=0).passes(0.5, parent=2)
    _on_rung(run.fails(Status.NO_CANDIDATE, times=5), Stance.REVIVE)
    assert run.next.parent == 1


def test_a_revived_attempt_is_one_of_the_three_fastest_dropped_ones(story):
    run = _on_rung(story(plateau=2).passes(0.5, 0.4, 0.3, 0.2, 0.1), Stance.REVIVE)
    assert {_with_seed(run, seed).next.parent for seed in range(40)} == {1, 2, 3}


def test_the_fastest_ancestor_is_revived_if_the_incumbent_descends_from_all_passed_attempts(story):
    run = story(plateau=1).passes(0.1).passes(0.3, parent=0).passes(0.5, parent=1)
    run.fails(Status.NO_CANDIDATE, times=3)
    assert (run.next.stance, run.next.parent) == (Stance.REVIVE, 1)


def test_the_incumbent_is_revived_if_nothing_else_has_passed(story):
    run = story(plateau=1).passes(0.5).fails(Status.NO_CANDIDATE, times=3)
    assert (run.next.stance, run.next.parent) == (Stance.REVIVE, 0)


def test_parents_that_form_a_circle_do_not_hang_the_search(story):
    run = story(plateau=1).passes(0.1, parent=1).passes(0.5, parent=0).fails(Status.NO_CANDIDATE, times=3)
    assert (run.next.stance, run.next.parent) == (Stance.REVIVE, 0)


# --- purity ---


def test_the_same_history_gives_the_same_directive_twice(story):
    run = _on_rung(story(plateau=2).passes(0.5, 0.4, 0.3, 0.2), Stance.REVIVE)
    assert run.next == run.next
    assert _with_seed(run, 0).next == run.next


def _with_seed(run, seed):
    """Return the same asks and attempts as a run with another seed."""
    other = type(run)(plateau=run.config.plateau, seed=seed)
    other.attempts, other.asks = list(run.attempts), list(run.asks)
    return other


# --- plateaus ---


def test_there_is_no_plateau_before_an_attempt_has_passed(story):
    history = story(plateau=2).fails(times=9).history
    assert (len(idle(history)), plateaus(history), begins_a_rung(history)) == (0, 0, False)


@pytest.mark.parametrize(
    ("idling", "passed_over", "on_rung", "begins"),
    [(0, 0, 0, False), (2, 0, 2, False), (3, 1, 0, True), (4, 1, 1, False)],
)
def test_a_completed_plateau_is_counted_once_and_begins_one_rung(story, idling, passed_over, on_rung, begins):
    history = story(plateau=3).passes(0.5, *[0.1] * idling).history
    assert (plateaus(history), len(on_this_rung(history)), begins_a_rung(history)) == (passed_over, on_rung, begins)


def test_the_trials_of_one_ask_count_once_towards_a_plateau(story):
    run = story(plateau=2).passes(0.5).passes(0.1).sweeps(0.1, 0.1, 0.1)
    assert (len(run.attempts), len(idle(run.history)), plateaus(run.history)) == (5, 1, 0)
    assert run.next.stance is Stance.REFINE
    assert run.passes(0.1).next.stance is Stance.DIAGNOSE


def test_the_incumbents_ask_is_not_idle_if_a_later_trial_was_promoted(story):
    run = story(plateau=2).passes(0.5).sweeps(0.6, 0.1, 0.2)
    assert run.history.incumbent.number == 1
    assert idle(run.history) == []


def test_an_ask_open_during_a_promotion_is_idle_after_its_answer(story):
    run = story(plateau=2).passes(0.5).opens_asks(2).answers(2, 0.6)
    assert idle(run.history) == []
    assert [ask.number for ask in idle(run.answers(1, 0.1).history)] == [1]


def test_an_ask_that_was_answered_before_a_promotion_does_not_become_idle_by_its_later_trials(story):
    run = story(plateau=2).passes(0.5).opens_asks(2).answers(1, 0.1).answers(2, 0.6).answers(1, 0.1)
    assert idle(run.history) == []


def test_a_plateau_begins_one_rung_even_if_its_last_ask_has_several_trials(story):
    run = story(plateau=2).passes(0.5, 0.1).sweeps(0.1).passes(0.1)
    assert begins_a_rung(run.history)
    assert not begins_a_rung(run.passes(0.1).sweeps(0.1).history)
    assert [ask.number for ask in on_this_rung(run.history)] == [3]


# --- sweep trials ---


def test_a_new_line_continues_from_its_fastest_trial(story):
    run = _on_rung(story(plateau=4).passes(0.5), Stance.RESTRUCTURE)
    run.passes(0.1).sweeps(0.3, 0.2)
    assert run.attempts[run.next.parent].verdict.utilization == 0.3
    assert run.attempts[run.next.parent].trial == 1


def test_a_sweep_does_not_change_which_line_is_revived(story):
    """The ask's number seeds the choice, and sweep trials do not change ask numbers."""
    bare = _on_rung(story(plateau=2).passes(0.5, 0.4, 0.3, 0.2, 0.1), Stance.REVIVE)
    swept = _on_rung(story(plateau=2).passes(0.5, 0.4, 0.3, 0.2, 0.1).sweeps(0.01, 0.01), Stance.REVIVE)
    assert len(swept.attempts) == len(bare.attempts) + 2
    for seed in range(20):
        assert _with_seed(swept, seed).next == _with_seed(bare, seed).next


def test_the_budget_counts_asks(story):
    run = story(budget=3).passes(0.5).sweeps(0.1, 0.1, 0.1).passes(0.1)
    assert spent(run.history) is None
    ending = spent(run.passes(0.1).history)
    assert ending.limit is StopReason.ATTEMPTS
    assert ending.words == "3 asks, 6 attempts (3 sweep trials)"


# --- several asks open ---


def test_asks_opened_together_have_seen_the_same_attempts(story):
    run = story(plateau=8).passes(0.2).fails().opens_asks(3)
    assert [(ask.number, ask.seen) for ask in run.asks[-3:]] == [(2, 1), (3, 1), (4, 1)]
    assert {ask.directive.parent for ask in run.asks[-3:]} == {1}


def test_every_ask_before_the_first_verdict_has_the_stance_open(story):
    run = story().opens_asks(2)
    assert run.stances == [Stance.OPEN, Stance.OPEN]
    assert [ask.directive.reason for ask in run.asks] == ["the kernel to start from", "nothing is judged yet"]


def test_every_directive_is_a_pure_function_of_the_history_as_its_ask_saw_it(story):
    run = story(plateau=2).passes(0.2).opens_asks(3).answers(3, 0.1).answers(1, Status.CRASHED)
    run.opens_asks(1).answers(2, 0.3).sweeps(0.1, Status.INCORRECT).opens_asks(2).answers(6, 0.1)
    for utilization in (0.1, 0.15, 0.12, 0.11, 0.05, 0.06, 0.07):
        run.opens_asks(1).answers(run.asks[-2].number, utilization)
    assert {*run.stances} >= {Stance.REPAIR, Stance.DIAGNOSE, Stance.RESTRUCTURE, Stance.REVIVE}
    for ask in run.asks:
        assert Ladder(run.config).ask(run.history.as_seen_by(ask), ask.number) == ask.directive


def test_a_late_answer_of_an_earlier_rung_does_not_belong_to_the_new_rungs_line(story):
    run = _on_rung(story(plateau=2).passes(0.5), Stance.REVIVE)
    late = run.opens_asks(1).asks[-1]
    assert run.passes(0.1, 0.1).next.stance is Stance.RESTART
    run.answers(late.number, 0.4)
    assert (late.directive.stance, run.next.stance, run.next.parent) == (Stance.REVIVE, Stance.RESTART, None)
