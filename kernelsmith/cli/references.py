"""`RUN` and `RUN:N` as the user writes them, and what they name in the log."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernelsmith.errors import UsageError

if TYPE_CHECKING:
    from kernelsmith.core.attempt import Attempt
    from kernelsmith.core.history import History
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
