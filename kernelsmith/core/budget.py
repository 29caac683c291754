"""Decide whether a run has reached a limit of its budget, and state in words how many asks (requests for a kernel) were
answered and how many attempts were made.
"""

from kernelsmith.core.history import History
from kernelsmith.core.run import Ending, StopReason


def spent(history: History) -> Ending | None:
    """Return an Ending (the limit, and a sentence about it) if the run that `history` records has reached its target or
    a limit of its budget; return None if the run goes on. A run with an unanswered ask always goes on, because the
    model's reply may be paid for already.
    """
    if history.open_asks:
        return None
    budget, best, reaches = history.budget, history.incumbent, history.best_utilization or 0
    if best and budget.target is not None and reaches >= budget.target:
        reached = f"{reaches:.1%} of peak at attempt {best.number}"
        return Ending(StopReason.TARGET, f"target reached: {reached}")
    if budget.attempts is not None and history.answered >= budget.attempts:
        return Ending(StopReason.ATTEMPTS, counts_in_words(history))
    if budget.hours is not None and history.active_s >= budget.hours * 3600:
        return Ending(StopReason.HOURS, f"{budget.hours:g} hours of working time spent")
    if budget.usd is not None and (history.usage.cost_usd or 0) >= budget.usd:
        return Ending(StopReason.USD, f"{budget.usd:g} USD spent")
    return None


def counts_in_words(history: History) -> str:
    """Return how many asks of the run that `history` records were answered and how many attempts were made, as text:
    `60 asks, 84 attempts (24 sweep trials)`. The bracket counts the attempts that only try other values of marked
    constants; it is left out if there are none.
    """
    swept = history.sweep_trials
    words = f"{_counted(history.answered, 'ask')}, {_counted(len(history.attempts), 'attempt')}"
    return f"{words} ({_counted(swept, 'sweep trial')})" if swept else words


def _counted(amount: int, noun: str) -> str:
    return f"{amount} {noun}{'s' * (amount != 1)}"
