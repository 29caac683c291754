"""Attempt 0: the task's skeleton, or the kernel that the user already owns; every later ask goes to the proposer."""

from pathlib import Path

from kernelsmith.core.attempt import Ask, Origin, Proposal
from kernelsmith.core.candidate_file import read_candidate
from kernelsmith.core.history import History
from kernelsmith.core.seams import Proposer
from kernelsmith.core.task import Task
from kernelsmith.core.text_file import shown


class Opening:
    """The proposer around a proposer."""

    def __init__(self, task: Task, *, from_file: str | None, then: Proposer) -> None:
        self._task = task
        self._from_file = from_file
        self._then = then

    def propose(self, ask: Ask, history: History) -> Proposal:
        """The kernel to start from for ask 0, else what the proposer answers.

        Raises:
            UsageError: the user's kernel can no longer be read.
        """
        if ask.number:
            return self._then.propose(ask, history)
        if self._from_file is None:
            return Proposal(Origin.SKELETON, "the task's skeleton, as it stands", self._task.skeleton)
        candidate = read_candidate(Path(self._from_file), self._task.languages)
        return Proposal(Origin.GIVEN, f"the kernel to start from: {shown(Path(self._from_file).name)}", candidate)
