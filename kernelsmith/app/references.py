"""`RUN` and `RUN:N` as the user writes them, and what they name in the log."""

from dataclasses import dataclass
from pathlib import Path

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.candidate import Candidate
from kernelsmith.core.candidate_file import read_candidate
from kernelsmith.core.history import History
from kernelsmith.core.task import Task
from kernelsmith.errors import UsageError
from kernelsmith.log.reader import Reader, open_reader


@dataclass(frozen=True, slots=True)
class Reference:
    """A run, or one of its attempts."""

    run: str
    number: int | None = None


def parse(text: str) -> Reference:
    """Return what `NAME` or `NAME:7` names.

    Raises:
        UsageError: what follows the colon is no number.
    """
    name, colon, number = text.partition(":")
    if not colon:
        return Reference(name)
    if not (number.isascii() and number.isdecimal()):
        raise UsageError(f"{text}: an attempt is named RUN:N, such as {name}:0")
    return Reference(name, int(number))


def history_of(log: Reader, name: str) -> History:
    """Return the run's history. Raises UsageError: there is no such run."""
    return log.history(log.run(name))


def attempt_of(history: History, number: int) -> Attempt:
    """Return the attempt with this number.

    Raises:
        UsageError: the run has no such attempt; the message says which it has.
    """
    if found := history.attempt(number):
        return found
    has = f"its attempts are 0 to {history.highest_attempt}" if history.attempts else "it has none yet"
    raise UsageError(f"{history.run.name}:{number}: the run has no such attempt; {has}")


def candidate_of(name: str, task: Task, *, db: str | Path) -> Candidate:
    """Return the candidate in the file of this name; where there is none, the recorded attempt RUN:N.

    Raises:
        UsageError: there is neither, or the attempt has no candidate.
    """
    if ":" not in name or Path(name).exists():
        return read_candidate(Path(name), task.languages)
    reference = parse(name)
    with open_reader(db) as log:
        attempt = attempt_of(history_of(log, reference.run), reference.number or 0)
    if attempt.candidate is None:
        raise UsageError(f"{name}: this attempt has no candidate: {attempt.verdict.detail}")
    return attempt.candidate
