"""Count plateaus: decide from a run's history whether the search has stopped improving.

Every count is a number of asks: an ask with several trials counts once. No other module decides what a plateau is.
"""

from collections.abc import Sequence

from kernelsmith.core.attempt import Ask
from kernelsmith.core.history import History


def idle(history: History) -> Sequence[Ask]:
    """Return the asks answered since the latest promotion, in the order of their first attempts. The ask that the
    incumbent answers is left out. The list is empty if the run has no incumbent.
    """
    best = history.incumbent
    if best is None:
        return ()
    later = {attempt.ask_number: attempt.ask for attempt in history.attempts if attempt.number > best.number}
    earlier = {attempt.ask_number for attempt in history.attempts if attempt.number <= best.number}
    return [ask for number, ask in later.items() if number not in earlier]


def plateaus(history: History) -> int:
    """Return the number of plateaus since the latest promotion. Every `plateau` asks (a config key) that are answered
    without a promotion make one plateau; a remainder counts for nothing.
    """
    return len(idle(history)) // history.run.config.plateau


def on_this_rung(history: History) -> Sequence[Ask]:
    """Return the asks answered since the latest promotion or the latest completed plateau, whichever came later. These
    asks belong to the plateau ladder's present rung, which decides the stance.
    """
    since_promotion = idle(history)
    return since_promotion[len(since_promotion) - len(since_promotion) % history.run.config.plateau :]


def begins_a_rung(history: History) -> bool:
    """Return whether the latest answer completed a plateau, so that the next ask takes the ladder's next stance."""
    return plateaus(history) > 0 and not on_this_rung(history)
