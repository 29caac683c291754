"""Attempt 0: the skeleton, or the user's own kernel; after it the proposer is asked."""

import pytest

from kernelsmith.core.attempt import Origin, Proposal
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.errors import UsageError
from kernelsmith.propose.opening import OpeningProposer


class Then:
    """A proposer that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked = []

    def propose(self, ask, history):
        self.asked.append((ask, history))
        return Proposal(Origin.MODEL, "later", Candidate("int later;", Language.C))


def test_attempt_0_is_the_skeleton_of_the_task(small_task, ask, empty):
    then = Then()
    proposal = OpeningProposer(small_task, from_file=None, then=then).propose(ask(0), empty)
    assert (proposal.origin, proposal.candidate, proposal.parent) == (Origin.SKELETON, small_task.skeleton, None)
    assert then.asked == []


def test_attempt_0_is_the_kernel_of_the_user_where_there_is_one(small_task, ask, empty, tmp_path):
    mine = tmp_path / "mine.c"
    mine.write_text("int mine;")
    proposal = OpeningProposer(small_task, from_file=str(mine), then=Then()).propose(ask(0), empty)
    assert (proposal.origin, proposal.candidate) == (Origin.GIVEN, Candidate("int mine;", Language.C))
    assert "mine.c" in proposal.hypothesis


def test_every_later_ask_goes_to_the_proposer(small_task, ask, empty):
    then = Then()
    proposal = OpeningProposer(small_task, from_file=None, then=then).propose(ask(1), empty)
    assert proposal.hypothesis == "later"
    assert then.asked == [(ask(1), empty)]


@pytest.mark.parametrize(
    ("name", "said"),
    [("gone.c", "gone.c: No such file"), ("mine.rs", "'.rs' fits no language of the task; it takes .c")],
)
def test_a_kernel_that_cannot_be_read_is_one_line_for_the_user(small_task, ask, empty, tmp_path, name, said):
    opening = OpeningProposer(small_task, from_file=str(tmp_path / name), then=Then())
    with pytest.raises(UsageError, match=said):
        opening.propose(ask(0), empty)
