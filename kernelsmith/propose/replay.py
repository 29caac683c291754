"""The replay proposer: the recorded candidates of another run, judged once more, in their order."""

from collections.abc import Sequence
from enum import StrEnum

from kernelsmith.core.attempt import Ask, Attempt, Origin, Proposal
from kernelsmith.core.candidate import Candidate
from kernelsmith.core.history import History
from kernelsmith.errors import Exhausted, UsageError

RECORDED = "recorded"
"""The key of a candidate's parameters that holds its number in the run it was recorded in."""


class Selection(StrEnum):
    """Which of the recorded candidates are judged again."""

    BEST = "best"
    IMPROVEMENTS = "improvements"
    """Every attempt that became the best of its time."""
    ALL = "all"


def selection_named(name: str) -> Selection:
    """The selection of this name.

    Raises:
        UsageError: there is none.
    """
    if name not in list(Selection):
        raise UsageError(f"{name!r} selects nothing of a run; give one of {', '.join(Selection)}")
    return Selection(name)


def selected(history: History, selection: Selection) -> Sequence[Attempt]:
    """The recorded attempts to judge again, in their order; those without a candidate are left out."""
    match selection:
        case Selection.BEST:
            return [history.incumbent] if history.incumbent else []
        case Selection.IMPROVEMENTS:
            return [attempt for attempt in history.attempts if attempt.verdict.promotion]
    return [attempt for attempt in history.attempts if attempt.proposal.candidate]


class ReplayProposer:
    """Proposes recorded candidates."""

    def __init__(self, recorded: History, selection: Selection) -> None:
        self._name = recorded.run.name
        self._attempts = selected(recorded, selection)
        if not self._attempts:
            raise UsageError(f"{self._name}: nothing to judge again; no attempt has passed")

    def __len__(self) -> int:
        return len(self._attempts)

    def propose(self, ask: Ask, history: History) -> Proposal:
        """The recorded candidate whose turn it is.

        Raises:
            Exhausted: all of them were judged.
        """
        if ask.number >= len(self._attempts):
            raise Exhausted(f"all {len(self._attempts)} chosen attempts of {self._name} were judged again")
        recorded = self._attempts[ask.number]
        found = recorded.proposal.candidate
        assert found is not None
        candidate = Candidate(found.source, found.language, {RECORDED: recorded.number})
        return Proposal(Origin.REPLAY, recorded.proposal.hypothesis, candidate, self._now(recorded.proposal.parent))

    def _now(self, parent: int | None) -> int | None:
        """The number that a recorded parent has in the replay, if it is repeated at all."""
        return next((index for index, attempt in enumerate(self._attempts) if attempt.number == parent), None)


def recorded_number(attempt: Attempt) -> int:
    """The number that an attempt of a replay had in the run it repeats."""
    assert attempt.proposal.candidate is not None
    return int(attempt.proposal.candidate.params[RECORDED])
