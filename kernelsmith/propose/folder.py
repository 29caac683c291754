"""The folder proposer: files that somebody else writes, taken in the order of their names."""

from pathlib import Path

from kernelsmith.core import caps
from kernelsmith.core.attempt import Ask, Attempt, Origin, Proposal
from kernelsmith.core.candidate import Candidate
from kernelsmith.core.candidate_file import read_candidate, stated
from kernelsmith.core.history import History
from kernelsmith.core.task import Task
from kernelsmith.core.text_file import shown
from kernelsmith.errors import Exhausted, UsageError
from kernelsmith.prompts.clean import one_line

FILE = "file"
"""The key of a candidate's parameters that names the file it came from."""


class FolderProposer:
    """Proposes each file once; a file that was changed since it was judged is a new one."""

    def __init__(self, task: Task, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(f"--proposer folder:{folder}: there is no such folder")
        self._task = task
        self._folder = folder

    def propose(self, ask: Ask, history: History) -> Proposal:
        """The next file; its leading comment may hold `hypothesis:` and `parent: FILE`.

        Raises:
            Exhausted: every file was judged; `resume` takes up those that are added later.
            UsageError: a file cannot be read as text, or names a parent that there is not.
        """
        judged = {(_file(a), a.proposal.candidate.digest) for a in history.attempts if a.proposal.candidate}
        for path in self._files():
            candidate = read_candidate(path, self._task.languages)
            if (shown(path.name), candidate.digest) not in judged:
                return _proposal(shown(path.name), candidate, history)
        raise Exhausted(f"every file of {shown(self._folder)} was judged")

    def _files(self) -> list[Path]:
        endings = {language.suffix for language in self._task.languages}
        return sorted(path for path in self._folder.iterdir() if path.suffix in endings and path.is_file())


def _proposal(name: str, candidate: Candidate, history: History) -> Proposal:
    said = stated(candidate.source)
    named = Candidate(candidate.source, candidate.language, {FILE: name})
    hypothesis = one_line(said.get("hypothesis", ""), caps.HYPOTHESIS) or f"{name} says nothing about itself"
    parent = _number_of(said["parent"], history, said_by=name) if "parent" in said else None
    return Proposal(Origin.FOLDER, hypothesis, named, parent)


def _number_of(file: str, history: History, *, said_by: str) -> int:
    """The latest attempt made from the file."""
    found = next((a.number for a in reversed(history.attempts) if _file(a) == file), None)
    if found is None:
        named = caps.cut(file, caps.QUOTED)
        raise UsageError(f"{said_by}: parent: {named}: no attempt was made from it; name a file that comes before")
    return found


def _file(attempt: Attempt) -> str:
    candidate = attempt.proposal.candidate
    return str(candidate.params.get(FILE, "")) if candidate else ""
