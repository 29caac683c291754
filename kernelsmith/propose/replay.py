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
    """Selection of the attempts that a replay judges again: `best` (the best one), `improvements` (each one that
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
    """Return the attempts of the recorded run `history` that `selection` chooses, in their recorded order. Attempts
    without a candidate are left out; the sequence is empty if no attempt is chosen.
    """
    match selection:
        case Selection.BEST:
            return [history.incumbent] if history.incumbent else []
        case Selection.IMPROVEMENTS:
            return [attempt for attempt in history.attempts if attempt.verdict.promotion]
    return [attempt for attempt in history.attempts if attempt.candidate]


class ReplayProposer:
    """A proposer that proposes candidates of the run `recorded` again: of the attempts that `selection` chooses, ask N
    gets the N-th, counted from 0. Its `len` is their number. Creating it raises UsageError if no attempt is chosen.
    """

    def __init__(self, recorded: History, selection: Selection) -> None:
        self._name = recorded.run.name
        self._attempts = selected(recorded, selection)
        if not self._attempts:
            raise UsageError(f"{self._name}: nothing to judge again; no attempt has passed")

    def __len__(self) -> int:
        return len(self._attempts)

    def propose(self, ask: Ask, history: History) -> Proposal:
        """Return a proposal with a recorded candidate and its recorded hypothesis: ask 0 gets the first selected
        candidate, ask 1 the second, and so on. Its parent is the attempt in `history` that judged the recorded parent
        again, or None. Raises Exhausted if the ask's number is not below the number of candidates.
        """
        if ask.number >= len(self._attempts):
            raise Exhausted(f"all {len(self._attempts)} selected attempts of {self._name} were judged again")
        recorded = self._attempts[ask.number]
        assert recorded.candidate is not None
        candidate = Candidate(recorded.candidate.source, recorded.candidate.language, {RECORDED: recorded.number})
        parent = _judged_again(recorded.proposal.parent, history)
        return Proposal(Origin.REPLAY, recorded.proposal.hypothesis, candidate, parent)


def recorded_number(attempt: Attempt) -> int:
    """Return the number, in the recorded run, of the attempt that `attempt` of a replay judged again. Raises KeyError
    if `attempt` does not belong to a replay.
    """
    assert attempt.candidate is not None
    return int(attempt.candidate.params[RECORDED])


def _judged_again(parent: int | None, history: History) -> int | None:
    """Return the number of the attempt in `history`, which holds a replay, that judged the recorded attempt number
    `parent` again. Return None if there is none or `parent` is None.
    """
    numbers = (a.number for a in history.attempts if a.candidate and a.candidate.params.get(RECORDED) == parent)
    return None if parent is None else next(numbers, None)
