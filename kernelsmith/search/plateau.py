"""Plateaus: the only place that says when a search has stopped getting better."""

from collections.abc import Sequence

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History


def idle(history: History) -> Sequence[Attempt]:
    """The attempts since the last promotion; none where nothing has passed yet."""
    best = history.incumbent
    return history.attempts[best.number + 1 :] if best else ()


def plateaus(history: History) -> int:
    """How many plateaus in a row: one for every `config.plateau` attempts without a duel won."""
    return len(idle(history)) // history.run.config.plateau


def on_this_rung(history: History) -> Sequence[Attempt]:
    """The attempts since the last promotion or plateau, whichever came later."""
    since = idle(history)
    return since[len(since) - len(since) % history.run.config.plateau :]


def begins_a_rung(history: History) -> bool:
    """Whether the attempts made so far end in a plateau, so that the next one is made on another rung."""
    return plateaus(history) > 0 and not on_this_rung(history)
