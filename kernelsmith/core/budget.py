"""Whether a run may go on: the budget ends a run, nothing else does."""

from kernelsmith.core.history import History


def spent(history: History) -> str | None:
    """The reason why the run ends now, in words, or None while it may go on.

    A pending ask is still answered: its reply may be paid for already.
    """
    if history.pending:
        return None
    budget, best = history.budget, history.incumbent
    if best and budget.target is not None and (best.verdict.utilization or 0) >= budget.target:
        return f"target reached: {best.verdict.utilization:.1%} of peak at attempt {best.number}"
    if budget.attempts is not None and len(history.attempts) >= budget.attempts:
        return f"{budget.attempts} attempt{'s' * (budget.attempts != 1)} made"
    if budget.hours is not None and history.active_s >= budget.hours * 3600:
        return f"{budget.hours:g} hours of active time spent"
    if budget.usd is not None and (history.usage.cost_usd or 0) >= budget.usd:
        return f"{budget.usd:g} USD spent"
    return None
