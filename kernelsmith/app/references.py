"""Parses `RUN` and `RUN:N` (attempt N of a run) as a user writes them, and finds the run or the attempt in the log."""

from dataclasses import dataclass

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History
from kernelsmith.errors import UsageError
from kernelsmith.log.reader import Reader


@dataclass(frozen=True, slots=True)
class Reference:
    """Meaning of a user's text `RUN` or `RUN:N`: a run, and the number of one of its attempts, or None. `parse` makes
    it; the run may not exist.
    """

    run: str
    number: int | None = None


def parse(text: str) -> Reference:
    """Return the run name and the attempt number that the text `NAME` or `NAME:7` holds; the number is None without a
    colon. Raises UsageError if no number follows the colon.
    """
    name, colon, number = text.partition(":")
    if not colon:
        return Reference(name)
    if not (number.isascii() and number.isdecimal()):
        raise UsageError(f"{text}: an attempt is named RUN:N, such as {name}:0")
    return Reference(name, int(number))


def history_of(log: Reader, name: str) -> History:
    """Return the history (settings, asks, attempts, events) of the run named `name`; `log` is an attempt log that is
    open for reading. Raises UsageError if the log has no such run, and LogError if it cannot be read.
    """
    return log.history(log.run(name))


def attempt_of(history: History, number: int) -> Attempt:
    """Return the attempt with this number from `history`, which holds one run. Raises UsageError, whose message names
    the existing numbers, if the run has no such attempt.
    """
    if attempt := history.attempt(number):
        return attempt
    has = f"its attempts are 0 to {history.highest_attempt}" if history.attempts else "it has none yet"
    raise UsageError(f"{history.run.name}:{number}: the run has no such attempt; {has}")
