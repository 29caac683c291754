"""Count plateaus: decide from a run's history whether the search has stopped improving. A plateau is a fixed number of
asks (requests for a candidate) in a row that gave no new best attempt.

Every count is a number of asks: an ask with several trials counts once. No other module decides what a plateau is.
"""

from collections.abc import Sequence

from kernelsmith.core.attempt import Ask
from kernelsmith.core.history import History


def idle(history: History) -> Sequence[Ask]:
    """Return the asks (requests for a candidate) that were answered since an attempt last became the best, in the order
    of their first attempts. The ask that led to this best attempt is left out. The sequence is empty if no attempt has
    passed yet.
    """
    best = history.incumbent
    if best is None:
        return ()
    later = {attempt.ask_number: attempt.ask for attempt in history.attempts if attempt.number > best.number}
    earlier = {attempt.ask_number for attempt in history.attempts if attempt.number <= best.number}
    return [ask for number, ask in later.items() if number not in earlier]


def plateaus(history: History) -> int:
    """Return the number of plateaus since an attempt last became the best of the run that `history` records. A plateau
    is a group of answered asks without a new best attempt; the config key `plateau` is the size of a group. The result
    is 0 if no attempt has passed yet.
    """
    return len(idle(history)) // history.run.config.plateau


def on_this_rung(history: History) -> Sequence[Ask]:
    """Return the asks answered on the present rung, in order. A rung is a step of the plateau ladder, during which all
    asks have the same stance (kind of change) except repairs. It begins when an attempt becomes the best or when a
    plateau is complete.
    """
    since_promotion = idle(history)
    return since_promotion[len(since_promotion) - len(since_promotion) % history.run.config.plateau :]


def begins_a_rung(history: History) -> bool:
    """Return True if the latest answered ask completed a plateau (a group of asks without a new best attempt), so that
    the next ask takes the next stance (kind of change) of the plateau ladder.
    """
    return plateaus(history) > 0 and not on_this_rung(history)
