"""The plateau ladder, the default strategy: it repairs broken kernels, refines working ones, and asks for larger
changes each time the search stops improving (a plateau).

The decisions depend on statuses, promotions, utilizations and parents of attempts. This module knows neither language
models nor knobs.
"""

from collections.abc import Sequence

from kernelsmith.core.attempt import Attempt, Directive, Stance
from kernelsmith.core.chance import generator
from kernelsmith.core.history import History
from kernelsmith.core.run import RunConfig
from kernelsmith.core.verdict import Status
from kernelsmith.search.plateau import idle, on_this_rung, plateaus

RUNGS = (Stance.REFINE, Stance.DIAGNOSE, Stance.RESTRUCTURE, Stance.REVIVE, Stance.RESTART)
"""The ladder's stances: each plateau moves the search to the next one, and from the last to the first again."""
MAX_REPAIRS = 3
"""The largest number of repair asks in a row; after them the search drops the broken kernel."""
REVIVED_AMONG = 3
"""The number of fastest dropped attempts among which a revival chooses at random."""
REPAIRABLE = frozenset(
    {Status.REJECTED, Status.BUILD_FAILED, Status.CRASHED, Status.TIMED_OUT, Status.INCORRECT, Status.TAMPERED}
)


class Ladder:
    """The plateau ladder: a strategy that chooses for the next ask the stance (kind of step, such as refine or restart)
    and the attempt to start from. It is made from a run's config and keeps only the seed, from which it draws the
    attempt to revive.
    """

    def __init__(self, config: RunConfig) -> None:
        self._seed = config.seed

    def ask(self, history: History, ask_number: int) -> Directive:
        """Return the directive (stance, number of the attempt to start from, and reason in words) for the ask with
        number `ask_number`. Only the attempts in `history`, the number and the run's seed decide, so equal arguments
        give equal directives. Asks that still wait for an answer have no influence.
        """
        if not history.attempts:
            return Directive(Stance.OPEN, None, "nothing is judged yet" if ask_number else "the kernel to start from")
        if broken := _to_repair(history):
            return Directive(Stance.REPAIR, broken.number, f"attempt {broken.number} is {broken.verdict.status}")
        if history.incumbent is None:
            return Directive(Stance.OPEN, None, "nothing has passed yet, and repairs did not help")
        return self._on_rung(history, history.incumbent, ask_number=ask_number)

    def _on_rung(self, history: History, incumbent: Attempt, *, ask_number: int) -> Directive:
        plateau_count = plateaus(history)
        stance = RUNGS[plateau_count % len(RUNGS)]
        if not plateau_count:
            return Directive(stance, incumbent.number, f"attempt {incumbent.number} is the best")
        parent = self._parent(stance, history, incumbent=incumbent, ask_number=ask_number)
        return Directive(stance, parent, f"no duel won for {len(idle(history))} asks")

    def _parent(self, stance: Stance, history: History, *, incumbent: Attempt, ask_number: int) -> int | None:
        """Return the number of the attempt that the next ask with `stance` starts from, or None to start from scratch.
        Refine and diagnose start from `incumbent`, the best attempt. Restructure, revive and restart start from the
        fastest attempt of this stance since the last plateau; if there is none, from the incumbent, from the result of
        `_dropped`, and from scratch, respectively.
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
        """Return the number of an attempt to try again: one of the three fastest passing attempts from which
        `incumbent` (the best attempt) does not descend, chosen by the run's seed and `ask_number`. If there is none,
        return the number of the fastest other passing attempt, or of the incumbent if no other passed.
        """
        ancestors = _ancestors(history, incumbent)
        others = [a for a in _fastest(history.attempts) if a.number not in ancestors]
        if others:
            return generator(self._seed, "revive", ask_number).choice(others[:REVIVED_AMONG]).number
        older = [a for a in _fastest(history.attempts) if a is not incumbent]
        return (older[0] if older else incumbent).number


def _to_repair(history: History) -> Attempt | None:
    """Return the failed attempt that the next ask repairs, or None. It is the first attempt (trial 0) that answered the
    latest answered ask; or, if that ask was a repair and got no candidate, the attempt that should have been repaired.
    It is None if trial 0 passed, if its candidate was judged before, or after three repairs in a row.

    Sweep trials, which repeat a proposal with other knob values, are not repaired: a failed one only shows that its
    values do not fit.
    """
    answers = [attempt for attempt in history.attempts if attempt.trial == 0]
    last = answers[-1] if answers else None
    if last is None or _repairs_in_a_row(answers) >= MAX_REPAIRS or _is_duplicate(last, history):
        return None
    if last.verdict.status in REPAIRABLE:
        return last
    if last.stance is Stance.REPAIR and last.verdict.status is Status.NO_CANDIDATE:
        parent = last.ask.directive.parent
        return None if parent is None else history.attempt(parent)
    return None


def _is_duplicate(attempt: Attempt, history: History) -> bool:
    """Return whether an earlier attempt in `history` (the run's record) has the same candidate as `attempt`; False if
    `attempt` has no candidate.
    """
    return attempt.candidate is not None and history.identical(attempt.candidate.digest) is not attempt


def _repairs_in_a_row(answers: Sequence[Attempt]) -> int:
    """Return the number of consecutive attempts at the end of `answers` that have the stance REPAIR; 0 if the last one
    has another stance. `answers` holds the first attempt (trial 0) of each answered ask, oldest first. `_to_repair`
    asks for no further repair once the number reaches MAX_REPAIRS.
    """
    count = 0
    for attempt in reversed(answers):
        if attempt.stance is not Stance.REPAIR:
            break
        count += 1
    return count


def _line_of_this_rung(stance: Stance, history: History) -> Sequence[Attempt]:
    """Return the attempts since the latest promotion or plateau that answer an ask with this `stance` or a repair,
    oldest first. Attempts with other values of marked constants are included. Attempts that answer an ask from before
    the plateau, which had another stance, are left out.
    """
    asks = {ask.number for ask in on_this_rung(history) if ask.directive.stance in (stance, Stance.REPAIR)}
    return [attempt for attempt in history.attempts if attempt.ask_number in asks]


def _fastest(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return those of `attempts` that passed as a list, fastest first: by utilization (achieved fraction of the
    device's peak), and the earlier attempt first if two are equal.
    """
    return sorted((a for a in attempts if a.verdict.passed), key=lambda a: (-(a.verdict.utilization or 0), a.number))


def _ancestors(history: History, attempt: Attempt) -> set[int]:
    """Return the set of the attempt numbers of `attempt`, its parent (the attempt that it was made from), its parent's
    parent, and so on. `history` holds the run's attempts.
    """
    numbers: set[int] = set()
    number: int | None = attempt.number
    while number is not None and number not in numbers and (ancestor := history.attempt(number)):
        numbers.add(number)
        number = ancestor.proposal.parent
    return numbers
