"""The replay proposer: the recorded candidates of another run, judged once more, in their order."""

from collections.abc import Sequence
from enum import StrEnum

from kernelsmith.core.attempt import Ask, Attempt, Origin, Proposal
from kernelsmith.core.candidate import Candidate
from kernelsmith.core.history import History
from kernelsmith.errors import Exhausted, UsageError

RECORDED = "recorded"
"""Key in a candidate's parameters: the number of its attempt in the recorded run."""


class Selection(StrEnum):
    """Which of the recorded candidates are judged again."""

    BEST = "best"
    IMPROVEMENTS = "improvements"
    """Every attempt that became the best of its time."""
    ALL = "all"


def selection_named(name: str) -> Selection:
    """Return the selection with this name.

    Raises:
        UsageError: no selection has it.
    """
    if name not in list(Selection):
        raise UsageError(f"{name!r} selects nothing of a run; give one of {', '.join(Selection)}")
    return Selection(name)


def selected(history: History, selection: Selection) -> Sequence[Attempt]:
    """Return the recorded attempts to judge again, in their order, without those that have no candidate."""
    match selection:
        case Selection.BEST:
            return [history.incumbent] if history.incumbent else []
        case Selection.IMPROVEMENTS:
            return [attempt for attempt in history.attempts if attempt.verdict.promotion]
    return [attempt for attempt in history.attempts if attempt.candidate]


class ReplayProposer:
    """Propose the recorded candidates, one an ask: the ask's number says which."""

    def __init__(self, recorded: History, selection: Selection) -> None:
        self._name = recorded.run.name
        self._attempts = selected(recorded, selection)
        if not self._attempts:
            raise UsageError(f"{self._name}: nothing to judge again; no attempt has passed")

    def __len__(self) -> int:
        return len(self._attempts)

    def propose(self, ask: Ask, history: History) -> Proposal:
        """Return the recorded candidate at the place of the ask's number.

        Raises:
            Exhausted: there are fewer recorded candidates.
        """
        if ask.number >= len(self._attempts):
            raise Exhausted(f"all {len(self._attempts)} chosen attempts of {self._name} were judged again")
        recorded = self._attempts[ask.number]
        assert recorded.candidate is not None
        candidate = Candidate(recorded.candidate.source, recorded.candidate.language, {RECORDED: recorded.number})
        parent = _judged_again(recorded.proposal.parent, history)
        return Proposal(Origin.REPLAY, recorded.proposal.hypothesis, candidate, parent)


def recorded_number(attempt: Attempt) -> int:
    """Return the number that an attempt of a replay has in the recorded run."""
    assert attempt.candidate is not None
    return int(attempt.candidate.params[RECORDED])


def _judged_again(parent: int | None, history: History) -> int | None:
    """Return the replay's number of a recorded parent; None where the replay has not judged it."""
    made = (a.number for a in history.attempts if a.candidate and a.candidate.params.get(RECORDED) == parent)
    return None if parent is None else next(made, None)
