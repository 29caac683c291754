"""Plateaus: the only place that says when a search has stopped getting better.

Everything here counts asks. The sweep trials of one ask count once.
"""

from collections.abc import Sequence

from kernelsmith.core.attempt import Ask
from kernelsmith.core.history import History


def idle(history: History) -> Sequence[Ask]:
    """Return the asks that were answered after the latest promotion, in the order of their first attempts.

    The incumbent's own ask is not among them. Without an incumbent there are none.
    """
    best = history.incumbent
    if best is None:
        return ()
    later = {attempt.ask_number: attempt.ask for attempt in history.attempts if attempt.number > best.number}
    earlier = {attempt.ask_number for attempt in history.attempts if attempt.number <= best.number}
    return [ask for number, ask in later.items() if number not in earlier]


def plateaus(history: History) -> int:
    """Return how many plateaus in a row the search has reached: one for every `config.plateau` idle asks."""
    return len(idle(history)) // history.run.config.plateau


def on_this_rung(history: History) -> Sequence[Ask]:
    """Return the asks that were answered after the latest promotion or plateau, whichever came later."""
    since = idle(history)
    return since[len(since) - len(since) % history.run.config.plateau :]


def begins_a_rung(history: History) -> bool:
    """Return whether the latest answer completed a plateau, so that the next ask is made on another rung."""
    return plateaus(history) > 0 and not on_this_rung(history)
