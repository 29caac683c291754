"""The plateau ladder: what is asked for after every kind of outcome, and from which attempt it goes on."""

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


def test_the_first_ask_is_open(story):
    asked = story().next
    assert (asked.stance, asked.parent) == (Stance.OPEN, None)


# --- repair ---


@pytest.mark.parametrize("status", BROKEN)
def test_whatever_is_broken_is_to_be_repaired(story, status):
    asked = story().fails(status).next
    assert (asked.stance, asked.parent) == (Stance.REPAIR, 0)
    assert status in asked.reason


def test_a_repair_that_is_still_broken_is_repaired_itself(story):
    asked = story().fails(times=2).next
    assert (asked.stance, asked.parent) == (Stance.REPAIR, 1)


def test_after_three_repairs_in_vain_the_search_opens_anew_where_nothing_has_passed(story):
    run = story().fails(times=4)
    assert run.stances == [Stance.OPEN, Stance.REPAIR, Stance.REPAIR, Stance.REPAIR]
    assert (run.next.stance, run.next.parent) == (Stance.OPEN, None)


def test_a_kernel_written_anew_is_repaired_again(story):
    asked = story().fails(times=5).next
    assert (asked.stance, asked.parent) == (Stance.REPAIR, 4)


def test_after_three_repairs_in_vain_the_rung_goes_on_from_the_best(story):
    run = story(plateau=8).passes(0.2).fails(times=4)
    assert run.stances[1:] == [Stance.REFINE, Stance.REPAIR, Stance.REPAIR, Stance.REPAIR]
    assert (run.next.stance, run.next.parent) == (Stance.REFINE, 0)


def test_a_repair_that_passes_ends_the_repairs(story):
    run = story(plateau=8).passes(0.2).fails().passes(0.1).fails()
    assert (run.next.stance, run.next.parent) == (Stance.REPAIR, 3)


def test_a_rejected_twin_is_not_repaired(story):
    asked = story(plateau=8).passes(0.2, 0.1).repeats(0).next
    assert (asked.stance, asked.parent) == (Stance.REFINE, 0)


def test_a_rejected_twin_of_a_broken_kernel_is_not_repaired_either(story):
    run = story(plateau=8).passes(0.2).fails().repeats(1)
    assert run.stances[-1] is Stance.REPAIR
    assert run.next.stance is Stance.REFINE


def test_an_answer_without_a_candidate_during_a_repair_goes_on_repairing_the_same_attempt(story):
    run = story(plateau=8).passes(0.2).fails().fails(Status.NO_CANDIDATE)
    assert (run.next.stance, run.next.parent) == (Stance.REPAIR, 1)


def test_an_answer_without_a_candidate_counts_as_a_repair_in_vain(story):
    asked = story(plateau=8).passes(0.2).fails().fails(Status.NO_CANDIDATE, times=3).next
    assert asked.stance is Stance.REFINE


def test_an_answer_without_a_candidate_is_nothing_to_repair(story):
    asked = story(plateau=8).passes(0.2).fails(Status.NO_CANDIDATE).next
    assert (asked.stance, asked.parent) == (Stance.REFINE, 0)


def test_a_sweep_trial_that_fails_is_not_repaired(story):
    run = story(plateau=8).passes(0.2, 0.1).sweeps(Status.CRASHED, Status.INCORRECT)
    assert (run.next.stance, run.next.parent) == (Stance.REFINE, 0)


def test_the_proposal_as_written_is_repaired_whatever_its_sweep_trials_came_to(story):
    run = story(plateau=8).passes(0.2).fails().sweeps(0.1, Status.CRASHED)
    assert (run.next.stance, run.next.parent) == (Stance.REPAIR, 1)


def test_three_repairs_in_a_row_are_three_asks_however_many_trials_they_have(story):
    run = story(plateau=8).passes(0.2).fails()
    for _ in range(2):
        run.fails().sweeps(Status.INCORRECT, Status.INCORRECT)
    assert (run.next.stance, run.next.parent) == (Stance.REPAIR, 5)
    assert run.fails().next.stance is Stance.REFINE


# --- the rungs ---


def test_a_promotion_makes_the_new_best_the_parent(story):
    asked = story().passes(0.2, 0.3).next
    assert (asked.stance, asked.parent) == (Stance.REFINE, 1)


def test_every_plateau_steps_up_one_rung_and_the_last_one_leads_around(story):
    run = story(plateau=2).passes(0.9).passes(*[0.1] * 12)
    up = [Stance.REFINE, Stance.DIAGNOSE, Stance.RESTRUCTURE, Stance.REVIVE, Stance.RESTART, Stance.REFINE]
    assert run.stances[1:] == [stance for stance in up for _ in range(2)]


def test_a_plateau_is_as_long_as_the_config_says_and_no_longer(story):
    run = story(plateau=4).passes(0.9, 0.1, 0.1, 0.1)
    assert run.next.stance is Stance.REFINE
    asked = run.passes(0.1).next
    assert asked.stance is Stance.DIAGNOSE
    assert asked.reason == "no duel won for 4 asks"


def test_a_promotion_on_a_higher_rung_leads_back_to_refining_the_new_best(story):
    run = story(plateau=2).passes(0.5, 0.1, 0.1, 0.1, 0.1)
    assert run.next.stance is Stance.RESTRUCTURE
    asked = run.passes(0.6).next
    assert (asked.stance, asked.parent) == (Stance.REFINE, 5)


def test_repairs_count_towards_the_plateau(story):
    run = story(plateau=3).passes(0.5).fails().fails().passes(0.1)
    assert run.stances == [Stance.OPEN, Stance.REFINE, Stance.REPAIR, Stance.REPAIR]
    assert run.next.stance is Stance.DIAGNOSE


def test_what_breaks_at_the_end_of_a_rung_is_repaired_before_the_next_one(story):
    run = story(plateau=2).passes(0.5, 0.1).fails()
    assert (run.next.stance, run.next.parent) == (Stance.REPAIR, 2)
    assert run.passes(0.1).next.stance is Stance.DIAGNOSE


@pytest.mark.parametrize(("idling", "stance"), [(1, Stance.REFINE), (3, Stance.DIAGNOSE)])
def test_refining_and_diagnosing_go_on_from_the_best_of_all(story, idling, stance):
    asked = story(plateau=2).passes(0.5, *[0.1] * idling).next
    assert (asked.stance, asked.parent) == (stance, 0)


# --- new lines ---


def _on_rung(run, stance):
    """Pass slowly until this rung is reached."""
    while run.next.stance is not stance:
        run.passes(0.1)
    return run


def test_a_restructured_line_begins_at_the_best_of_all(story):
    asked = _on_rung(story().passes(0.5), Stance.RESTRUCTURE).next
    assert asked.parent == 0


def test_a_restart_begins_with_nothing(story):
    asked = _on_rung(story().passes(0.5), Stance.RESTART).next
    assert asked.parent is None


@pytest.mark.parametrize("stance", [Stance.RESTRUCTURE, Stance.REVIVE, Stance.RESTART])
def test_a_new_line_goes_on_from_its_own_best(story, stance):
    run = _on_rung(story(plateau=4).passes(0.5), stance)
    fastest = len(run.attempts)
    run.passes(0.3, 0.2)
    assert (run.next.stance, run.next.parent) == (stance, fastest)


@pytest.mark.parametrize("stance", [Stance.RESTRUCTURE, Stance.RESTART])
def test_a_new_line_of_which_nothing_passed_begins_again_where_it_began(story, stance):
    run = _on_rung(story(plateau=8).passes(0.5), stance)
    began = run.next.parent
    run.fails(times=4)
    assert (run.next.stance, run.next.parent) == (stance, began)


def test_a_revived_line_is_one_the_best_does_not_descend_from(story):
    run = story(plateau=2).passes(0.2, 0.19)
    run.passes(0.3, parent=0).passes(0.5, parent=2)
    _on_rung(run.fails(Status.NO_CANDIDATE, times=5), Stance.REVIVE)
    assert run.next.parent == 1


def test_a_revived_line_is_among_the_fastest_that_were_dropped(story):
    run = _on_rung(story(plateau=2).passes(0.5, 0.4, 0.3, 0.2, 0.1), Stance.REVIVE)
    assert {_with_seed(run, seed).next.parent for seed in range(40)} == {1, 2, 3}


def test_where_the_best_descends_from_all_others_its_fastest_ancestor_is_revived(story):
    run = story(plateau=1).passes(0.1).passes(0.3, parent=0).passes(0.5, parent=1)
    run.fails(Status.NO_CANDIDATE, times=3)
    assert (run.next.stance, run.next.parent) == (Stance.REVIVE, 1)


def test_where_nothing_else_has_passed_the_best_is_revived(story):
    run = story(plateau=1).passes(0.5).fails(Status.NO_CANDIDATE, times=3)
    assert (run.next.stance, run.next.parent) == (Stance.REVIVE, 0)


def test_a_circle_of_parents_does_not_hang_the_search(story):
    run = story(plateau=1).passes(0.1, parent=1).passes(0.5, parent=0).fails(Status.NO_CANDIDATE, times=3)
    assert (run.next.stance, run.next.parent) == (Stance.REVIVE, 0)


# --- purity ---


def test_the_same_history_gives_the_same_directive_twice(story):
    run = _on_rung(story(plateau=2).passes(0.5, 0.4, 0.3, 0.2), Stance.REVIVE)
    assert run.next == run.next
    assert _with_seed(run, 0).next == run.next


def _with_seed(run, seed):
    """The same attempts in a run with another seed."""
    other = type(run)(plateau=run.config.plateau, seed=seed)
    other.attempts, other.asks = list(run.attempts), list(run.asks)
    return other


# --- plateaus ---


def test_before_anything_passed_there_is_no_plateau(story):
    history = story(plateau=2).fails(times=9).history
    assert (len(idle(history)), plateaus(history), begins_a_rung(history)) == (0, 0, False)


@pytest.mark.parametrize(
    ("idling", "passed_over", "on_rung", "begins"),
    [(0, 0, 0, False), (2, 0, 2, False), (3, 1, 0, True), (4, 1, 1, False)],
)
def test_a_plateau_is_counted_once_and_begins_a_rung_once(story, idling, passed_over, on_rung, begins):
    history = story(plateau=3).passes(0.5, *[0.1] * idling).history
    assert (plateaus(history), len(on_this_rung(history)), begins_a_rung(history)) == (passed_over, on_rung, begins)


def test_the_trials_of_one_ask_count_once_towards_a_plateau(story):
    run = story(plateau=2).passes(0.5).passes(0.1).sweeps(0.1, 0.1, 0.1)
    assert (len(run.attempts), len(idle(run.history)), plateaus(run.history)) == (5, 1, 0)
    assert run.next.stance is Stance.REFINE
    assert run.passes(0.1).next.stance is Stance.DIAGNOSE


def test_the_ask_of_the_incumbent_is_not_idle_whichever_of_its_trials_was_promoted(story):
    run = story(plateau=2).passes(0.5).sweeps(0.6, 0.1, 0.2)
    assert run.history.incumbent.number == 1
    assert idle(run.history) == []


def test_an_ask_that_is_open_during_a_promotion_is_idle_once_it_is_answered(story):
    run = story(plateau=2).passes(0.5).asks_for(2).answers(2, 0.6)
    assert idle(run.history) == []
    assert [ask.number for ask in idle(run.answers(1, 0.1).history)] == [1]


def test_an_ask_that_was_answered_before_a_promotion_does_not_become_idle_by_its_later_trials(story):
    run = story(plateau=2).passes(0.5).asks_for(2).answers(1, 0.1).answers(2, 0.6).answers(1, 0.1)
    assert idle(run.history) == []


def test_a_rung_is_begun_once_whatever_the_number_of_trials(story):
    run = story(plateau=2).passes(0.5, 0.1).sweeps(0.1).passes(0.1)
    assert begins_a_rung(run.history)
    assert not begins_a_rung(run.passes(0.1).sweeps(0.1).history)
    assert [ask.number for ask in on_this_rung(run.history)] == [3]


# --- sweep trials ---


def test_a_new_line_goes_on_from_its_fastest_trial(story):
    run = _on_rung(story(plateau=4).passes(0.5), Stance.RESTRUCTURE)
    run.passes(0.1).sweeps(0.3, 0.2)
    assert run.attempts[run.next.parent].verdict.utilization == 0.3
    assert run.attempts[run.next.parent].trial == 1


def test_a_sweep_does_not_change_which_line_is_revived(story):
    """The choice is seeded by the ask's number, and that does not count trials."""
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


def test_asks_that_are_open_at_once_know_the_same_attempts(story):
    run = story(plateau=8).passes(0.2).fails().asks_for(3)
    assert [(ask.number, ask.seen) for ask in run.asks[-3:]] == [(2, 1), (3, 1), (4, 1)]
    assert {ask.directive.parent for ask in run.asks[-3:]} == {1}


def test_before_anything_is_judged_every_ask_is_open(story):
    run = story().asks_for(2)
    assert run.stances == [Stance.OPEN, Stance.OPEN]
    assert [ask.directive.reason for ask in run.asks] == ["the kernel to start from", "nothing is judged yet"]


def test_every_directive_is_a_pure_function_of_the_history_as_its_ask_saw_it(story):
    run = story(plateau=2).passes(0.2).asks_for(3).answers(3, 0.1).answers(1, Status.CRASHED)
    run.asks_for(1).answers(2, 0.3).sweeps(0.1, Status.INCORRECT).asks_for(2).answers(6, 0.1)
    for utilization in (0.1, 0.15, 0.12, 0.11, 0.05, 0.06, 0.07):
        run.asks_for(1).answers(run.asks[-2].number, utilization)
    assert {*run.stances} >= {Stance.REPAIR, Stance.DIAGNOSE, Stance.RESTRUCTURE, Stance.REVIVE}
    for ask in run.asks:
        assert Ladder(run.config).ask(run.history.as_seen_by(ask), ask.number) == ask.directive


def test_an_answer_that_comes_late_is_no_part_of_the_line_that_a_new_rung_begins(story):
    run = _on_rung(story(plateau=2).passes(0.5), Stance.REVIVE)
    late = run.asks_for(1).asks[-1]
    assert run.passes(0.1, 0.1).next.stance is Stance.RESTART
    run.answers(late.number, 0.4)
    assert (late.directive.stance, run.next.stance, run.next.parent) == (Stance.REVIVE, Stance.RESTART, None)
