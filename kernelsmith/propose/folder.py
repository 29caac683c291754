"""The folder proposer: it proposes the kernel files of a folder, one per ask, in the order of their names."""

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
"""Key in a candidate's parameters; its value is the name of the file that the candidate was read from."""


class FolderProposer:
    """A proposer that proposes every kernel file in the folder `folder` once, and again after the file has changed.
    Files with the ending of a language that the task does not have are ignored. Creating it raises UsageError if the
    folder does not exist.
    """

    def __init__(self, task: Task, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(f"--proposer folder:{folder}: there is no such folder; name one that holds kernels")
        self._task = task
        self._folder = folder

    def propose(self, ask: Ask, history: History) -> Proposal:
        """Return the next file as a proposal: the first, by name, that neither an attempt nor an earlier open ask uses.
        The file's leading comment may state `hypothesis: TEXT` and `parent: FILE`. Raises Exhausted if every file is
        used, and UsageError if a file is no text or names a parent from which no attempt was made.
        """
        reserved = _earlier_open_asks(ask, history)
        unjudged = self._unjudged(history, at_most=reserved + 1)
        if len(unjudged) <= reserved:
            raise Exhausted(f"every file of {shown(self._folder)} was judged")
        ahead = {_name(candidate) for candidate in unjudged[:reserved]}
        return _proposal(unjudged[reserved], history, ahead=ahead)

    def _unjudged(self, history: History, *, at_most: int) -> Sequence[Candidate]:
        """Return the candidates of the first `at_most` files, by name, that no attempt in `history` has judged with
        their present content. Later files are not read. Raises UsageError if a file cannot be read as text.
        """
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
    """Return the number of asks before `ask` that no attempt in `history` answers yet; the first unjudged files are
    kept for them, so that each ask gets its own file. Ask 0 does not count, because it is answered with the kernel that
    the run starts from.

    An earlier ask that is answered removes both its file from the unjudged files and itself from this number, so every
    other ask keeps its file.
    """
    answered = {attempt.ask_number for attempt in history.attempts}
    return sum(0 < other.number < ask.number and other.number not in answered for other in history.asks)


def _proposal(candidate: Candidate, history: History, *, ahead: Set[str]) -> Proposal:
    name, comment = _name(candidate), stated(candidate.source)
    hypothesis = one_line(comment.get("hypothesis", ""), caps.HYPOTHESIS) or f"{name} states no hypothesis"
    parent = _parent(comment.get("parent"), history, child=name, ahead=ahead)
    return Proposal(Origin.FOLDER, hypothesis, candidate, parent)


def _parent(file: str | None, history: History, *, child: str, ahead: Set[str]) -> int | None:
    """Return the number of the latest attempt that was made from the file `file`, which the comment of the file `child`
    names as its parent. Return None if `file` is None (no parent is named), or if `file` is in `ahead`, the names of
    files that earlier asks will propose. Raises UsageError if no attempt was made from it.
    """
    numbers = (attempt.number for attempt in reversed(history.attempts) if _name(attempt.candidate) == file)
    number = next(numbers, None) if file is not None else None
    if number is None and file is not None and file not in ahead:
        parent = caps.cut(file, caps.QUOTED)
        raise UsageError(f"{child}: parent: {parent}: no attempt was made from it; name a file that was judged before")
    return number


def _name(candidate: Candidate | None) -> str:
    """Return the name of the file that a candidate was read from; an empty string if the candidate is None or did not
    come from a folder.
    """
    return str(candidate.params.get(FILE, "")) if candidate else ""
