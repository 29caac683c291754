"""`RUN` and `RUN:N` as the user writes them, and what they name in the log."""

from dataclasses import dataclass

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History
from kernelsmith.errors import UsageError
from kernelsmith.log.reader import Reader


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
