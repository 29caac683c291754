"""`RUN` and `RUN:N` as the user writes them, and what they name in the log."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kernelsmith.errors import UsageError

if TYPE_CHECKING:
    from kernelsmith.core.attempt import Attempt
    from kernelsmith.core.candidate import Candidate
    from kernelsmith.core.history import History
    from kernelsmith.core.task import Task
    from kernelsmith.log.store import Store


@dataclass(frozen=True, slots=True)
class Reference:
    """A run, or one of its attempts."""

    run: str
    number: int | None = None


def parse(text: str) -> Reference:
    """`NAME` or `NAME:7`.

    Raises:
        UsageError: what follows the colon is no number.
    """
    name, colon, number = text.partition(":")
    if not colon:
        return Reference(name)
    if not (number.isascii() and number.isdecimal()):
        raise UsageError(f"{text}: an attempt is named RUN:N, such as {name}:0")
    return Reference(name, int(number))


def history_of(store: "Store", name: str) -> "History":
    """The run's history. Raises UsageError: there is no such run."""
    return store.history(store.run(name))


def attempt_of(history: "History", number: int) -> "Attempt":
    """The attempt with this number.

    Raises:
        UsageError: the run has no such attempt; the message says which it has.
    """
    if found := history.attempt(number):
        return found
    count = len(history.attempts)
    has = f"its attempts are 0 to {count - 1}" if count else "it has none yet"
    raise UsageError(f"{history.run.name}:{number}: the run has no such attempt; {has}")


def candidate_of(name: str, task: "Task", *, db: str) -> "Candidate":
    """The candidate in the file of this name; where there is none, the recorded attempt RUN:N.

    Raises:
        UsageError: there is neither, or the attempt has no candidate.
    """
    from kernelsmith.core.candidate_file import read_candidate
    from kernelsmith.log.store import open_store

    if ":" not in name or Path(name).exists():
        return read_candidate(Path(name), task.languages)
    asked = parse(name)
    with open_store(db, create=False) as store:
        attempt = attempt_of(history_of(store, asked.run), asked.number or 0)
    if attempt.proposal.candidate is None:
        raise UsageError(f"{name}: this attempt has no candidate: {attempt.verdict.detail}")
    return attempt.proposal.candidate
