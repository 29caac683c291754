"""Answers ask 0, the first request of a run, with the kernel that the run starts from: the task's skeleton, or a file
that the user names.
"""

from pathlib import Path

from kernelsmith.core.attempt import Ask, Origin, Proposal
from kernelsmith.core.candidate_file import read_candidate
from kernelsmith.core.history import History
from kernelsmith.core.seams import Proposer
from kernelsmith.core.task import Task
from kernelsmith.core.text_file import shown


class OpeningProposer:
    """A proposer that answers ask 0 with the starting kernel and passes every other ask to the proposer `then`.
    `from_file` is the path of the user's starting kernel; None selects the task's skeleton.
    """

    def __init__(self, task: Task, *, from_file: str | None, then: Proposer) -> None:
        self._task = task
        self._from_file = from_file
        self._then = then

    def propose(self, ask: Ask, history: History) -> Proposal:
        """Return a proposal with the starting kernel if the ask has number 0; otherwise return, or raise, what the
        proposer `then` does. For ask 0, raises UsageError if the user's file cannot be read or has the ending of
        another language than the task's.
        """
        if ask.number:
            return self._then.propose(ask, history)
        if self._from_file is None:
            return Proposal(Origin.SKELETON, "the task's skeleton, unchanged", self._task.skeleton)
        candidate = read_candidate(Path(self._from_file), self._task.languages)
        return Proposal(Origin.GIVEN, f"the kernel to start from: {shown(Path(self._from_file).name)}", candidate)
