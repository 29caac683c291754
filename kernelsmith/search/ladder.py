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
"""The stances in the order in which plateaus lead from one to the next; the first follows the last."""
MAX_REPAIRS = 3
"""Asks in a row that may try to repair; after them the search goes on without the broken kernel."""
REVIVED_AMONG = 3
"""How many of the fastest dropped attempts a revival is drawn from."""
REPAIRABLE = frozenset(
    {Status.REJECTED, Status.BUILD_FAILED, Status.CRASHED, Status.TIMED_OUT, Status.INCORRECT, Status.TAMPERED}
)


class Ladder:
    """The strategy of every run."""

    def __init__(self, config: RunConfig) -> None:
        self._seed = config.seed

    def ask(self, history: History, ask_number: int) -> Directive:
        """Return the directive for the ask with this number. The same history and number give the same directive.

        Only the attempts of `history` decide; asks that are still open do not.
        """
        if not history.attempts:
            return Directive(Stance.OPEN, None, "nothing is judged yet" if ask_number else "the kernel to start from")
        if broken := _to_repair(history):
            return Directive(Stance.REPAIR, broken.number, f"attempt {broken.number} is {broken.verdict.status}")
        if history.incumbent is None:
            return Directive(Stance.OPEN, None, "nothing has passed yet, and repairs did not help")
        return self._on_rung(history, history.incumbent, ask_number=ask_number)

    def _on_rung(self, history: History, incumbent: Attempt, *, ask_number: int) -> Directive:
        passed_over = plateaus(history)
        stance = RUNGS[passed_over % len(RUNGS)]
        if not passed_over:
            return Directive(stance, incumbent.number, f"attempt {incumbent.number} is the best")
        parent = self._parent(stance, history, incumbent=incumbent, ask_number=ask_number)
        return Directive(stance, parent, f"no duel won for {len(idle(history))} asks")

    def _parent(self, stance: Stance, history: History, *, incumbent: Attempt, ask_number: int) -> int | None:
        """Return the fastest attempt of the line that this rung began; before there is one, where the line begins.

        A restructuring begins at the incumbent, a revival at a dropped attempt, and a restart at no attempt.
        """
        line = _fastest(_line_of_this_rung(stance, history))
        match stance:
            case Stance.RESTRUCTURE:
                return (line[0] if line else incumbent).number
            case Stance.REVIVE:
                return line[0].number if line else self._dropped(history, incumbent, ask_number=ask_number)
            case Stance.RESTART:
                return line[0].number if line else None
        return incumbent.number

    def _dropped(self, history: History, incumbent: Attempt, *, ask_number: int) -> int:
        """Return one of the fastest attempts that the incumbent does not descend from.

        Where the incumbent descends from every attempt that passed, return its fastest ancestor.
        """
        ancestors = _ancestors(history, incumbent)
        others = [a for a in _fastest(history.attempts) if a.number not in ancestors]
        if others:
            return generator(self._seed, "revive", ask_number).choice(others[:REVIVED_AMONG]).number
        older = [a for a in _fastest(history.attempts) if a is not incumbent]
        return (older[0] if older else incumbent).number


def _to_repair(history: History) -> Attempt | None:
    """Return the broken attempt to repair next, if any.

    Only the first trial of the latest answer can be one: a failed sweep trial says that its knob values do not fit.
    """
    answers = [attempt for attempt in history.attempts if attempt.trial == 0]
    last = answers[-1] if answers else None
    if last is None or _repairs_in_a_row(answers) >= MAX_REPAIRS or _is_a_twin(last, history):
        return None
    if last.verdict.status in REPAIRABLE:
        return last
    if last.stance is Stance.REPAIR and last.verdict.status is Status.NO_CANDIDATE:
        parent = last.ask.directive.parent
        return None if parent is None else history.attempt(parent)
    return None


def _is_a_twin(attempt: Attempt, history: History) -> bool:
    """Return whether an earlier attempt had the same candidate; a repair would only bring it a third time."""
    return attempt.candidate is not None and history.identical(attempt.candidate.digest) is not attempt


def _repairs_in_a_row(answers: Sequence[Attempt]) -> int:
    """Return how many of the latest answers are repairs; `answers` holds one attempt an ask, oldest first."""
    count = 0
    for attempt in reversed(answers):
        if attempt.stance is not Stance.REPAIR:
            break
        count += 1
    return count


def _line_of_this_rung(stance: Stance, history: History) -> Sequence[Attempt]:
    """Return the attempts that were asked for on this rung, with their repairs and their sweep trials.

    While several asks are open, answers to asks of the rung before arrive on this one; they are left out.
    """
    asks = {ask.number for ask in on_this_rung(history) if ask.directive.stance in (stance, Stance.REPAIR)}
    return [attempt for attempt in history.attempts if attempt.ask_number in asks]


def _fastest(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return the attempts that passed, fastest first."""
    return sorted((a for a in attempts if a.verdict.passed), key=lambda a: (-(a.verdict.utilization or 0), a.number))


def _ancestors(history: History, attempt: Attempt) -> set[int]:
    """Return the attempt's number and the numbers of the attempts that it descends from."""
    found: set[int] = set()
    number: int | None = attempt.number
    while number is not None and number not in found and (link := history.attempt(number)):
        found.add(number)
        number = link.proposal.parent
    return found
