"""Tests of the replay proposer: which recorded candidates it proposes, in which order and with which parents."""

from dataclasses import replace

import pytest

from kernelsmith.core.attempt import Origin
from kernelsmith.core.verdict import Promotion, Status
from kernelsmith.errors import Exhausted, UsageError
from kernelsmith.propose.replay import ReplayProposer, Selection, recorded_number, selected


@pytest.fixture
def recorded(attempt_with, history_with):
    """Return a history of seven attempts: 1, 4 and 6 were promoted, and 3 has no candidate."""
    return history_with(
        attempt_with(0, status=Status.INCORRECT, detail="C[0,0] is 1"),
        attempt_with(1, utilization=0.2, promotion=Promotion.FIRST, parent=0),
        attempt_with(2, utilization=0.1, parent=1),
        attempt_with(3, status=Status.NO_CANDIDATE, detail="no fenced block"),
        attempt_with(4, utilization=0.3, promotion=Promotion.DUEL, parent=1, hypothesis="wider tiles"),
        attempt_with(5, status=Status.CRASHED, detail="SIGSEGV", parent=4),
        attempt_with(6, utilization=0.5, promotion=Promotion.CLEAR, parent=2),
    )


@pytest.fixture
def replay(ask, judged, empty):
    """Return a function that runs a replay until it is exhausted and returns its history and the message."""

    def run(proposer):
        history = empty
        while True:
            try:
                history = judged(history, proposer.propose(ask(len(history.asks)), history))
            except Exhausted as ended:
                return history, str(ended)

    return run


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [(Selection.BEST, [6]), (Selection.IMPROVEMENTS, [1, 4, 6]), (Selection.ALL, [0, 1, 2, 4, 5, 6])],
)
def test_a_selection_is_judged_again_in_recorded_order_and_then_the_run_ends(recorded, replay, selection, numbers):
    proposer = ReplayProposer(recorded, selection)
    history, ended = replay(proposer)
    assert [recorded_number(attempt) for attempt in history.attempts] == numbers
    assert len(proposer) == len(numbers)
    assert ended == f"all {len(numbers)} selected attempts of night were judged again"


def test_a_replayed_candidate_keeps_its_digest_and_its_hypothesis(recorded, replay):
    history, _ = replay(ReplayProposer(recorded, Selection.IMPROVEMENTS))
    proposal = history.attempts[1].proposal
    assert proposal.candidate.digest == recorded.attempts[4].candidate.digest
    assert (proposal.hypothesis, proposal.origin) == ("wider tiles", Origin.REPLAY)


def test_a_parent_gets_its_number_in_the_replay_or_none_if_it_is_not_replayed(recorded, replay):
    history, _ = replay(ReplayProposer(recorded, Selection.IMPROVEMENTS))
    assert [attempt.proposal.parent for attempt in history.attempts] == [None, 0, None]


def test_a_resumed_replay_continues_with_the_candidate_of_the_next_ask(recorded, ask, empty):
    proposal = ReplayProposer(recorded, Selection.ALL).propose(ask(3), empty)
    assert proposal.candidate.params == {"recorded": 4}


@pytest.mark.parametrize("selection", [Selection.BEST, Selection.IMPROVEMENTS])
def test_best_and_improvements_are_refused_for_a_run_without_a_passed_attempt(attempt_with, history_with, selection):
    history = history_with(attempt_with(0, status=Status.INCORRECT))
    with pytest.raises(UsageError, match="night: nothing to judge again; no attempt has passed"):
        ReplayProposer(history, selection)


def test_all_attempts_of_a_run_without_a_passed_attempt_can_be_judged_again(attempt_with, history_with):
    assert len(selected(history_with(attempt_with(0, status=Status.INCORRECT)), Selection.ALL)) == 1


def test_each_recorded_sweep_trial_becomes_a_separate_ask_of_the_replay(attempt_with, history_with, replay):
    recorded = history_with(
        attempt_with(0, status=Status.INCORRECT),
        attempt_with(1, utilization=0.2, promotion=Promotion.FIRST, parent=0),
        attempt_with(2, utilization=0.3, promotion=Promotion.DUEL, parent=0, ask_number=1, trial=1),
        attempt_with(3, utilization=0.1, parent=2, ask_number=2),
    )
    history, _ = replay(ReplayProposer(recorded, Selection.ALL))
    assert [attempt.ask_number for attempt in history.attempts] == [0, 1, 2, 3]
    assert [attempt.proposal.parent for attempt in history.attempts] == [None, 0, 0, 2]


def test_a_parent_is_found_although_the_replay_numbers_attempts_differently(recorded, ask, judged, empty):
    proposer = ReplayProposer(recorded, Selection.IMPROVEMENTS)
    history = judged(empty, proposer.propose(ask(0), empty))
    shifted = replace(history, attempts=[replace(attempt, number=7) for attempt in history.attempts])
    assert proposer.propose(ask(1, seen=7), shifted).parent == 7


def test_asks_opened_together_are_answered_with_different_candidates(recorded, ask, empty):
    proposer = ReplayProposer(recorded, Selection.ALL)
    proposals = [proposer.propose(ask(number), empty) for number in (2, 0, 1)]
    assert [proposal.candidate.params["recorded"] for proposal in proposals] == [2, 0, 1]
    assert [proposal.parent for proposal in proposals] == [None, None, None]
