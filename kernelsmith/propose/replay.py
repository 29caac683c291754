"""The replay proposer: it proposes candidates of an earlier run again, in their recorded order, so that they are judged
on this machine.
"""

from collections.abc import Sequence
from enum import StrEnum

from kernelsmith.core.attempt import Ask, Attempt, Origin, Proposal
from kernelsmith.core.candidate import Candidate
from kernelsmith.core.history import History
from kernelsmith.errors import Exhausted, UsageError

RECORDED = "recorded"
"""Key in a candidate's parameters; its value is the number of the attempt in the recorded run."""


class Selection(StrEnum):
    """Which attempts of a recorded run a replay judges again: `best` (the best one), `improvements` (each one that
    became the best) or `all`.
    """

    BEST = "best"
    """The incumbent."""
    IMPROVEMENTS = "improvements"
    """Every attempt that was promoted to incumbent."""
    ALL = "all"
    """Every attempt that has a candidate."""


def selection_named(name: str) -> Selection:
    """Return the selection whose name is `best`, `improvements` or `all`. Raises UsageError, which lists these names,
    for any other name.
    """
    if name not in list(Selection):
        raise UsageError(f"{name!r} is no selection of attempts; give one of {', '.join(Selection)}")
    return Selection(name)


def selected(history: History, selection: Selection) -> Sequence[Attempt]:
    """Return the attempts of a recorded run that belong to `selection`, in their recorded order. Attempts without a
    candidate are left out; the sequence is empty if nothing fits.
    """
    match selection:
        case Selection.BEST:
            return [history.incumbent] if history.incumbent else []
        case Selection.IMPROVEMENTS:
            return [attempt for attempt in history.attempts if attempt.verdict.promotion]
    return [attempt for attempt in history.attempts if attempt.candidate]


class ReplayProposer:
    """A proposer that answers ask N with the N-th selected candidate of the run `recorded`, counted from 0; its `len`
    is the number of candidates. Creating it raises UsageError if the selection holds no attempt.
    """

    def __init__(self, recorded: History, selection: Selection) -> None:
        self._name = recorded.run.name
        self._attempts = selected(recorded, selection)
        if not self._attempts:
            raise UsageError(f"{self._name}: nothing to judge again; no attempt has passed")

    def __len__(self) -> int:
        return len(self._attempts)

    def propose(self, ask: Ask, history: History) -> Proposal:
        """Return a proposal with the recorded candidate whose index in the selection is the ask's number, and with its
        recorded hypothesis. Its parent is the attempt in `history` that repeats the recorded parent, or None. Raises
        Exhausted if the index is too large.
        """
        if ask.number >= len(self._attempts):
            raise Exhausted(f"all {len(self._attempts)} selected attempts of {self._name} were judged again")
        recorded = self._attempts[ask.number]
        assert recorded.candidate is not None
        candidate = Candidate(recorded.candidate.source, recorded.candidate.language, {RECORDED: recorded.number})
        parent = _judged_again(recorded.proposal.parent, history)
        return Proposal(Origin.REPLAY, recorded.proposal.hypothesis, candidate, parent)


def recorded_number(attempt: Attempt) -> int:
    """Return the number that the repeated attempt had in the recorded run; `attempt` belongs to a replay. Raises
    KeyError for an attempt of any other run.
    """
    assert attempt.candidate is not None
    return int(attempt.candidate.params[RECORDED])


def _judged_again(parent: int | None, history: History) -> int | None:
    """Return the number of the attempt in `history` (a replay) that judged the recorded attempt `parent` again. Return
    None if none did or `parent` is None.
    """
    numbers = (a.number for a in history.attempts if a.candidate and a.candidate.params.get(RECORDED) == parent)
    return None if parent is None else next(numbers, None)
