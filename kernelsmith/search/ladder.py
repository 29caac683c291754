"""The plateau ladder: repair what is broken, refine what works, and step up whenever that stops helping.

It decides by statuses, promotions and times alone; it knows neither models nor knobs.
"""

from collections.abc import Sequence

from kernelsmith.core.attempt import Attempt, Directive, Stance
from kernelsmith.core.chance import generator
from kernelsmith.core.history import History
from kernelsmith.core.run import RunConfig
from kernelsmith.core.verdict import Status
from kernelsmith.search.plateau import idle, on_this_rung, plateaus

RUNGS = (Stance.REFINE, Stance.DIAGNOSE, Stance.RESTRUCTURE, Stance.REVIVE, Stance.RESTART)
"""Every plateau leads to the next; above the last one the ladder begins anew."""
MAX_REPAIRS = 3
"""In a row; a kernel that is still broken then is left alone."""
REVIVED_AMONG = 3
"""A dropped line is chosen from this many of the fastest."""
REPAIRABLE = frozenset(
    {Status.REJECTED, Status.BUILD_FAILED, Status.CRASHED, Status.TIMED_OUT, Status.INCORRECT, Status.TAMPERED}
)


class Ladder:
    """The strategy of every run."""

    def __init__(self, config: RunConfig) -> None:
        self._seed = config.seed

    def ask(self, history: History, ask_number: int) -> Directive:
        """The directive for this ask; pure: the same history gives the same one."""
        if not history.attempts:
            return Directive(Stance.OPEN, None, "the kernel to start from")
        if broken := _to_repair(history):
            return Directive(Stance.REPAIR, broken.number, f"attempt {broken.number} is {broken.verdict.status}")
        if history.incumbent is None:
            return Directive(Stance.OPEN, None, "nothing has passed yet, and repairs did not help")
        return self._on_rung(history, history.incumbent)

    def _on_rung(self, history: History, incumbent: Attempt) -> Directive:
        passed_over = plateaus(history)
        stance = RUNGS[passed_over % len(RUNGS)]
        if not passed_over:
            return Directive(stance, incumbent.number, f"attempt {incumbent.number} is the best")
        reason = f"no duel won for {len(idle(history))} attempts"
        return Directive(stance, self._parent(stance, history, incumbent), reason)

    def _parent(self, stance: Stance, history: History, incumbent: Attempt) -> int | None:
        """A new line goes on from its own best attempt; it begins at the incumbent, a dropped line, or nowhere."""
        line = _fastest(on_this_rung(history))
        match stance:
            case Stance.RESTRUCTURE:
                return (line[0] if line else incumbent).number
            case Stance.REVIVE:
                return line[0].number if line else self._dropped(history, incumbent)
            case Stance.RESTART:
                return line[0].number if line else None
        return incumbent.number

    def _dropped(self, history: History, incumbent: Attempt) -> int:
        """One of the fastest attempts that the incumbent does not descend from; where all do, its fastest ancestor."""
        ancestors = _ancestors(history, incumbent)
        others = [a for a in _fastest(history.attempts) if a.number not in ancestors]
        if others:
            return generator(self._seed, "revive", len(history.attempts)).choice(others[:REVIVED_AMONG]).number
        older = [a for a in _fastest(history.attempts) if a is not incumbent]
        return (older[0] if older else incumbent).number


def _to_repair(history: History) -> Attempt | None:
    """The broken kernel that is to be repaired next, if any."""
    last = history.attempts[-1]
    if _repairs_in_a_row(history) >= MAX_REPAIRS or _is_a_twin(last, history):
        return None
    if last.verdict.status in REPAIRABLE:
        return last
    if last.stance is Stance.REPAIR and last.verdict.status is Status.NO_CANDIDATE:
        return history.attempt(last.ask.directive.parent or 0)
    return None


def _is_a_twin(attempt: Attempt, history: History) -> bool:
    """Refused because it had been judged before: asking for its repair would bring it a third time."""
    candidate = attempt.proposal.candidate
    return candidate is not None and history.identical(candidate.digest) is not attempt


def _repairs_in_a_row(history: History) -> int:
    count = 0
    for attempt in reversed(history.attempts):
        if attempt.stance is not Stance.REPAIR:
            break
        count += 1
    return count


def _fastest(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Those that passed, fastest first."""
    return sorted((a for a in attempts if a.verdict.passed), key=lambda a: (-(a.verdict.utilization or 0), a.number))


def _ancestors(history: History, attempt: Attempt) -> set[int]:
    """The attempt's number and those it descends from."""
    found: set[int] = set()
    number: int | None = attempt.number
    while number is not None and number not in found and (link := history.attempt(number)):
        found.add(number)
        number = link.proposal.parent
    return found
