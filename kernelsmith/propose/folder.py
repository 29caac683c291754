"""The folder proposer: files that somebody else writes, taken in the order of their names."""

from collections.abc import Sequence, Set
from itertools import islice
from pathlib import Path

from kernelsmith.core import caps
from kernelsmith.core.attempt import Ask, Origin, Proposal
from kernelsmith.core.candidate import Candidate
from kernelsmith.core.candidate_file import read_candidate, stated
from kernelsmith.core.history import History
from kernelsmith.core.task import Task
from kernelsmith.core.text_file import shown
from kernelsmith.errors import Exhausted, UsageError
from kernelsmith.prompts.clean import one_line

FILE = "file"
"""Key in a candidate's parameters: the name of the file that it came from."""


class FolderProposer:
    """Propose each file once. A file that was changed since it was judged is proposed again."""

    def __init__(self, task: Task, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(f"--proposer folder:{folder}: there is no such folder")
        self._task = task
        self._folder = folder

    def propose(self, ask: Ask, history: History) -> Proposal:
        """Return the first file that no attempt and no earlier open ask has taken.

        The file's leading comment may hold `hypothesis:` and `parent: FILE`.

        Raises:
            Exhausted: every file is taken; `resume` finds the files that are added later.
            UsageError: a file cannot be read as text, or it names a parent that no attempt was made from.
        """
        taken = _earlier_open_asks(ask, history)
        unjudged = self._unjudged(history, at_most=taken + 1)
        if len(unjudged) <= taken:
            raise Exhausted(f"every file of {shown(self._folder)} was judged")
        ahead = {_name(candidate) for candidate in unjudged[:taken]}
        return _proposal(unjudged[taken], history, ahead=ahead)

    def _unjudged(self, history: History, *, at_most: int) -> Sequence[Candidate]:
        """Return the first files without an attempt, by name; files behind them are not read."""
        judged = {(_name(a.candidate), a.candidate.digest) for a in history.attempts if a.candidate}
        candidates = (self._read(path) for path in self._files())
        fresh = (candidate for candidate in candidates if (_name(candidate), candidate.digest) not in judged)
        return list(islice(fresh, at_most))

    def _read(self, path: Path) -> Candidate:
        candidate = read_candidate(path, self._task.languages)
        return Candidate(candidate.source, candidate.language, {FILE: shown(path.name)})

    def _files(self) -> list[Path]:
        endings = {language.suffix for language in self._task.languages}
        return sorted(path for path in self._folder.iterdir() if path.suffix in endings and path.is_file())


def _earlier_open_asks(ask: Ask, history: History) -> int:
    """Return how many asks before this one had no attempt yet when this one was made.

    Each of them takes a file, and they take the first unjudged ones: the ask that is answered first removes its file
    from the unjudged files and itself from this count. Ask 0 takes none, since the opening answers it.
    """
    answered = {attempt.ask_number for attempt in history.attempts}
    return sum(0 < other.number < ask.number and other.number not in answered for other in history.asks)


def _proposal(candidate: Candidate, history: History, *, ahead: Set[str]) -> Proposal:
    name, comment = _name(candidate), stated(candidate.source)
    hypothesis = one_line(comment.get("hypothesis", ""), caps.HYPOTHESIS) or f"{name} says nothing about itself"
    parent = _parent(comment.get("parent"), history, child=name, ahead=ahead)
    return Proposal(Origin.FOLDER, hypothesis, candidate, parent)


def _parent(file: str | None, history: History, *, child: str, ahead: Set[str]) -> int | None:
    """Return the number of the latest attempt made from a file.

    None where the child names no parent, or one of the files `ahead`, which earlier asks are about to be answered with.
    """
    made = (attempt.number for attempt in reversed(history.attempts) if _name(attempt.candidate) == file)
    number = next(made, None) if file is not None else None
    if number is None and file is not None and file not in ahead:
        named = caps.cut(file, caps.QUOTED)
        raise UsageError(f"{child}: parent: {named}: no attempt was made from it; name a file that comes before")
    return number


def _name(candidate: Candidate | None) -> str:
    """Return the name of the file that a candidate came from; empty where it came from none."""
    return str(candidate.params.get(FILE, "")) if candidate else ""
