"""The tuner: searches the knobs of a task's families, from the simple family to the better ones.

The tuner keeps no state: it builds the study anew from the history for every ask, and seeds the sampler by run seed and
ask number, so that a resumed run proposes exactly what the uninterrupted one would have proposed.
"""

import logging
import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from kernelsmith.core.attempt import Ask, Attempt, Directive, Origin, Proposal, Stance
from kernelsmith.core.chance import derived_seed, generator
from kernelsmith.core.history import History
from kernelsmith.core.task import Task
from kernelsmith.errors import Exhausted, UsageError
from kernelsmith.propose.knobs import FAMILY, Family, Value, read_family

STARTUP_TRIALS = 6
"""Random trials of a family before TPE's model is asked; few, since a family's knobs are few."""
LATEST, FASTEST = 100, 50
"""How many attempts of a family TPE is given: the latest ones, and the fastest of those before them."""
SUGGESTIONS = 8
"""TPE may repeat itself or break a requirement this often before an untried neighbour is taken."""
STORAGE_LOG = "optuna.storages._in_memory"
"""The logger on which optuna announces each new study."""

Tried = tuple[dict[str, Value], float | None]
"""The knob values of an attempt, and its time in us, or None where it did not pass."""


class Tuner:
    """Propose knob values. The stance decides which family is tuned, and how its values are chosen."""

    def __init__(self, task: Task, *, seed: int) -> None:
        if not task.families:
            raise UsageError(f"{task.name} has no families/ to tune: name a model (--model) or --proposer folder:DIR")
        self._families = [read_family(path) for path in task.families]
        self._seed = seed

    def propose(self, ask: Ask, history: History) -> Proposal:
        """Return the next candidate: the family is chosen by the stance, its values from what the history holds.

        Raises:
            Exhausted: every combination of every family was tried.
        """
        trials = {family.name: _trials(family, history) for family in self._families}
        for family in self._by_preference(ask.directive, history, trials):
            past = trials[family.name]
            if (values := self._values(family, ask, past)) is not None:
                hypothesis = _hypothesis(family, values, past)
                return Proposal(Origin.TUNER, hypothesis, family.candidate(values), ask.directive.parent)
        raise Exhausted("every combination of every family was tried")

    # --- which family ---

    def _by_preference(
        self, directive: Directive, history: History, trials: dict[str, list[Tried]]
    ) -> Iterable[Family]:
        """Return the family that the stance asks for, then the families after it, then those before it."""
        first = self._asked_for(directive, history, trials)
        index = self._families.index(first)
        return [first, *self._families[index + 1 :], *reversed(self._families[:index])]

    def _asked_for(self, directive: Directive, history: History, trials: dict[str, list[Tried]]) -> Family:
        parent = history.attempt(directive.parent) if directive.parent is not None else None
        of_parent = self._family_of(parent)
        untried = next((family for family in self._families if not trials[family.name]), None)
        match directive.stance:
            case Stance.RESTRUCTURE | Stance.RESTART if untried and (parent is None or parent is history.incumbent):
                return untried
        return of_parent or self._family_of(history.incumbent) or untried or self._families[-1]

    def _family_of(self, attempt: Attempt | None) -> Family | None:
        candidate = attempt.candidate if attempt else None
        name = candidate.params.get(FAMILY) if candidate else None
        return next((family for family in self._families if family.name == name), None)

    # --- which values ---

    def _values(self, family: Family, ask: Ask, past: Sequence[Tried]) -> dict[str, Value] | None:
        """Return untried values, the defaults first; None where every combination was tried."""
        tried = {_key(values) for values, _ in past}
        if _key(family.defaults) not in tried:
            return family.defaults
        untried = [values for values in family.combinations if _key(values) not in tried]
        if not untried:
            return None
        match ask.directive.stance:
            case Stance.DIAGNOSE:
                return self._nearest(family, ask, past=past, untried=untried)
            case Stance.RESTRUCTURE | Stance.RESTART:
                return generator(self._seed, "any", ask.number).choice(untried)
        suggested = (values for values in self._suggestions(family, ask, past) if family.allows(values))
        fresh = next((values for values in suggested if _key(values) not in tried), None)
        return fresh or self._nearest(family, ask, past=past, untried=untried)

    def _nearest(
        self, family: Family, ask: Ask, *, past: Sequence[Tried], untried: Sequence[dict[str, Value]]
    ) -> dict[str, Value]:
        """Return untried values that differ from the family's best in one knob by the fewest steps, else any."""
        best = _best(past) or family.defaults
        chance = generator(self._seed, "near", ask.number)
        near = [(steps, values) for steps, values in _neighbours(family, best) if values in untried]
        fewest = min((steps for steps, _ in near), default=0)
        return chance.choice([values for steps, values in near if steps == fewest] or untried)

    def _suggestions(self, family: Family, ask: Ask, past: Sequence[Tried]) -> Iterator[dict[str, Value]]:
        """Yield up to SUGGESTIONS combinations that TPE suggests from the past; some may be tried already."""
        distributions: dict[str, BaseDistribution] = {k.name: CategoricalDistribution(k.values) for k in family.knobs}
        study = _new_study(seed=derived_seed(self._seed, "tpe", ask.number))
        study.add_trials([_frozen(trial, distributions) for trial in _told(past)])
        for _ in range(SUGGESTIONS):
            trial = study.ask(distributions)
            yield dict(trial.params)
            study.tell(trial, state=TrialState.FAIL)


def _new_study(*, seed: int) -> optuna.Study:
    """Return an empty study with a TPE sampler; optuna's settings for its other users stay as they are."""
    sampler = TPESampler(n_startup_trials=STARTUP_TRIALS, multivariate=True, seed=seed)
    with _unannounced():
        return optuna.create_study(sampler=sampler)


@contextmanager
def _unannounced() -> Iterator[None]:
    """Drop what optuna tells of each new study, as far as this thread makes it."""
    own, logger = threading.get_ident(), logging.getLogger(STORAGE_LOG)

    def is_wanted(record: logging.LogRecord) -> bool:
        return record.thread != own or record.levelno >= logging.WARNING

    logger.addFilter(is_wanted)
    try:
        yield
    finally:
        logger.removeFilter(is_wanted)


def _trials(family: Family, history: History) -> list[Tried]:
    """Return the family's attempts, oldest first."""
    found: list[Tried] = []
    for attempt in history.attempts:
        candidate, measured = attempt.candidate, attempt.verdict.measurement
        if candidate and candidate.params.get(FAMILY) == family.name:
            values = {knob.name: candidate.params[knob.name] for knob in family.knobs}
            found.append((values, measured.time_us if measured else None))
    return found


def _told(past: Sequence[Tried]) -> Sequence[Tried]:
    """Return the attempts that TPE is given. Its model takes time for each, so a long past is cut."""
    older = past[:-LATEST]
    passed = [trial for trial in older if trial[1] is not None]
    return [*sorted(passed, key=lambda trial: trial[1] or math.inf)[:FASTEST], *past[-LATEST:]]


def _frozen(trial: Tried, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    """Return an attempt as Optuna's trial, valued by the logarithm of its time: 1 % counts the same everywhere."""
    values, time_us = trial
    if time_us is None:
        return create_trial(state=TrialState.FAIL, params=values, distributions=distributions)
    return create_trial(value=math.log(time_us), params=values, distributions=distributions)


def _best(past: Sequence[Tried]) -> dict[str, Value] | None:
    passed = [(time_us, index) for index, (_, time_us) in enumerate(past) if time_us is not None]
    return past[min(passed)[1]][0] if passed else None


def _neighbours(family: Family, values: dict[str, Value]) -> Iterator[tuple[int, dict[str, Value]]]:
    """Yield every combination that differs in one knob, with the number of steps between the two values."""
    for knob in family.knobs:
        here = knob.values.index(values[knob.name])
        for there, value in enumerate(knob.values):
            if there != here:
                yield abs(there - here), {**values, knob.name: value}


def _hypothesis(family: Family, values: dict[str, Value], past: Sequence[Tried]) -> str:
    """Return the family's own hypothesis while none of its attempts passed, else what differs from the best."""
    best = _best(past)
    if not past or best is None:
        return f"{family.name}: {family.hypothesis}"
    changed = ", ".join(f"{name} {best[name]} -> {value}" for name, value in values.items() if value != best[name])
    return f"{family.name}: {changed}"


def _key(values: dict[str, Value]) -> tuple[Value, ...]:
    return tuple(values.values())
