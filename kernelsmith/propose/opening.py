"""The opening: ask 0 is answered with the task's skeleton, or with the kernel that the user already owns."""

from pathlib import Path

from kernelsmith.core.attempt import Ask, Origin, Proposal
from kernelsmith.core.candidate_file import read_candidate
from kernelsmith.core.history import History
from kernelsmith.core.seams import Proposer
from kernelsmith.core.task import Task
from kernelsmith.core.text_file import shown


class OpeningProposer:
    """Answer ask 0, and pass every other ask on to a proposer."""

    def __init__(self, task: Task, *, from_file: str | None, then: Proposer) -> None:
        self._task = task
        self._from_file = from_file
        self._then = then

    def propose(self, ask: Ask, history: History) -> Proposal:
        """Return the kernel to start from as the answer to ask 0, and the proposer's answer to every other ask.

        Raises:
            UsageError: the user's kernel can no longer be read.
        """
        if ask.number:
            return self._then.propose(ask, history)
        if self._from_file is None:
            return Proposal(Origin.SKELETON, "the task's skeleton, as it stands", self._task.skeleton)
        candidate = read_candidate(Path(self._from_file), self._task.languages)
        return Proposal(Origin.GIVEN, f"the kernel to start from: {shown(Path(self._from_file).name)}", candidate)
