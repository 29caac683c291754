"""Parses `RUN` and `RUN:N` as a user writes them, and finds the run or the attempt in the log."""

from dataclasses import dataclass

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History
from kernelsmith.errors import UsageError
from kernelsmith.log.reader import Reader


@dataclass(frozen=True, slots=True)
class Reference:
    """The name of a run, and the number of one of its attempts if the user gave one."""

    run: str
    number: int | None = None


def parse(text: str) -> Reference:
    """Return the run name and attempt number in `NAME` or `NAME:7`. Raises UsageError for a colon without number."""
    name, colon, number = text.partition(":")
    if not colon:
        return Reference(name)
    if not (number.isascii() and number.isdecimal()):
        raise UsageError(f"{text}: an attempt is named RUN:N, such as {name}:0")
    return Reference(name, int(number))


def history_of(log: Reader, name: str) -> History:
    """Return the history of the run of this name. Raises UsageError if the log has no run of this name."""
    return log.history(log.run(name))


def attempt_of(history: History, number: int) -> Attempt:
    """Return the attempt with this number. Raises UsageError, which names the existing numbers, if there is none."""
    if attempt := history.attempt(number):
        return attempt
    has = f"its attempts are 0 to {history.highest_attempt}" if history.attempts else "it has none yet"
    raise UsageError(f"{history.run.name}:{number}: the run has no such attempt; {has}")
