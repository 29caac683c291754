"""Tests of the opening: ask 0 is answered with the skeleton or the user's kernel, later asks by the proposer."""

import pytest

from kernelsmith.core.attempt import Origin, Proposal
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.errors import UsageError
from kernelsmith.propose.opening import OpeningProposer


class Recorder:
    """A proposer that records the asks that it receives."""

    def __init__(self) -> None:
        self.asked = []

    def propose(self, ask, history):
        self.asked.append((ask, history))
        return Proposal(Origin.MODEL, "later", Candidate("int later;", Language.C))


def test_attempt_0_is_the_skeleton_of_the_task(small_task, ask, empty):
    then = Recorder()
    proposal = OpeningProposer(small_task, from_file=None, then=then).propose(ask(0), empty)
    assert (proposal.origin, proposal.candidate, proposal.parent) == (Origin.SKELETON, small_task.skeleton, None)
    assert then.asked == []


def test_attempt_0_is_the_users_kernel_if_a_file_is_named(small_task, ask, empty, tmp_path):
    mine = tmp_path / "mine.c"
    mine.write_text("int mine;")
    proposal = OpeningProposer(small_task, from_file=str(mine), then=Recorder()).propose(ask(0), empty)
    assert (proposal.origin, proposal.candidate) == (Origin.GIVEN, Candidate("int mine;", Language.C))
    assert "mine.c" in proposal.hypothesis


def test_every_ask_after_ask_0_goes_to_the_wrapped_proposer(small_task, ask, empty):
    then = Recorder()
    proposal = OpeningProposer(small_task, from_file=None, then=then).propose(ask(1), empty)
    assert proposal.hypothesis == "later"
    assert then.asked == [(ask(1), empty)]


@pytest.mark.parametrize(
    ("name", "said"),
    [("gone.c", "gone.c: No such file"), ("mine.rs", "'.rs' fits no language of the task; use .c")],
)
def test_a_starting_kernel_that_cannot_be_read_is_a_one_line_user_error(small_task, ask, empty, tmp_path, name, said):
    opening = OpeningProposer(small_task, from_file=str(tmp_path / name), then=Recorder())
    with pytest.raises(UsageError, match=said):
        opening.propose(ask(0), empty)
