"""The tuner: a proposer that searches the knob values of a task's families, beginning with the first family.

The tuner keeps no state. For every ask it rebuilds the Optuna study from the history, and it seeds the sampler by run
seed and ask number, so that a resumed run proposes exactly what the uninterrupted run would have proposed.
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
"""The number of attempts of a family before the sampler TPE (Tree-structured Parzen Estimator) uses its model; until
then it suggests random values. Small, because a family has few knobs."""
LATEST, FASTEST = 100, 50
"""The numbers of a family's attempts that TPE learns from, at most: the latest, and the fastest of those before."""
SUGGESTIONS = 8
"""The number of TPE's suggestions that are tried. If each was tried before or breaks a requirement, an untried
combination near the best one is proposed."""
STORAGE_LOG = "optuna.storages._in_memory"
"""The name of the logger on which Optuna announces each new study."""

Tried = tuple[dict[str, Value], float | None]
"""The knob values of an attempt, and its time in us per call, or None if it did not pass."""


class Tuner:
    """A proposer that answers an ask with a family's kernel and untried knob values. The ask's stance decides which
    family is tuned and how the values are chosen. Raises UsageError if the task has no families.
    """

    def __init__(self, task: Task, *, seed: int) -> None:
        if not task.families:
            raise UsageError(f"{task.name} has no families/ to tune: name a model (--model) or --proposer folder:DIR")
        self._families = [read_family(path) for path in task.families]
        self._seed = seed

    def propose(self, ask: Ask, history: History) -> Proposal:
        """Return a proposal with untried knob values. The ask's stance and the history decide family and values.

        Raises:
            Exhausted: if every combination of every family was tried.
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
        """Return all families: the one that the stance asks for, then those after it, then those before it, last first.
        The tuner proposes from the first family that has an untried combination. `trials` holds the attempts of each
        family by its name.
        """
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
        """Return an untried combination of a family's knob values, or None if every combination was tried. The defaults
        come first. After them the ask's stance decides how a combination is chosen; `past` holds the family's attempts.
        """
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
        """Return an untried combination that differs from the family's best one in a single knob, by the fewest steps.
        A step is the distance between neighbours in the knob's list of values. If no untried combination differs in a
        single knob, return a random one of `untried`.
        """
        best = _best(past) or family.defaults
        random_choice = generator(self._seed, "near", ask.number).choice
        near = [(steps, values) for steps, values in _neighbours(family, best) if values in untried]
        fewest = min((steps for steps, _ in near), default=0)
        return random_choice([values for steps, values in near if steps == fewest] or untried)

    def _suggestions(self, family: Family, ask: Ask, past: Sequence[Tried]) -> Iterator[dict[str, Value]]:
        """Yield up to SUGGESTIONS combinations that TPE suggests after it has learned the attempts in `past`. A
        combination may have been tried before, or break a requirement.
        """
        distributions: dict[str, BaseDistribution] = {k.name: CategoricalDistribution(k.values) for k in family.knobs}
        study = _new_study(seed=derived_seed(self._seed, "tpe", ask.number))
        study.add_trials([_frozen(trial, distributions) for trial in _learned(past)])
        for _ in range(SUGGESTIONS):
            trial = study.ask(distributions)
            yield dict(trial.params)
            study.tell(trial, state=TrialState.FAIL)


def _new_study(*, seed: int) -> optuna.Study:
    """Return an empty Optuna study in memory with a seeded TPE sampler. Optuna's global settings do not change."""
    sampler = TPESampler(n_startup_trials=STARTUP_TRIALS, multivariate=True, seed=seed)
    with _quiet_study_log():
        return optuna.create_study(sampler=sampler)


@contextmanager
def _quiet_study_log() -> Iterator[None]:
    """Suppress Optuna's message about a new study within a `with` block, for the current thread only. Warnings, and the
    messages of other threads, are still logged.
    """
    this_thread, logger = threading.get_ident(), logging.getLogger(STORAGE_LOG)

    def is_wanted(record: logging.LogRecord) -> bool:
        return record.thread != this_thread or record.levelno >= logging.WARNING

    logger.addFilter(is_wanted)
    try:
        yield
    finally:
        logger.removeFilter(is_wanted)


def _trials(family: Family, history: History) -> list[Tried]:
    """Return knob values and time of every attempt of a family, oldest first."""
    trials: list[Tried] = []
    for attempt in history.attempts:
        candidate, measured = attempt.candidate, attempt.verdict.measurement
        if candidate and candidate.params.get(FAMILY) == family.name:
            values = {knob.name: candidate.params[knob.name] for knob in family.knobs}
            trials.append((values, measured.time_us if measured else None))
    return trials


def _learned(past: Sequence[Tried]) -> Sequence[Tried]:
    """Return the attempts of `past` that TPE learns from: the latest 100, and the 50 fastest of those before. TPE needs
    time for every attempt, so a long past is cut.
    """
    older = past[:-LATEST]
    passed = [trial for trial in older if trial[1] is not None]
    return [*sorted(passed, key=lambda trial: trial[1] or math.inf)[:FASTEST], *past[-LATEST:]]


def _frozen(trial: Tried, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    """Return an attempt as a finished Optuna trial, whose value is the logarithm of the time in us. With the logarithm,
    1 % of a short time counts as much as 1 % of a long one. An attempt that did not pass becomes a failed trial.
    """
    values, time_us = trial
    if time_us is None:
        return create_trial(state=TrialState.FAIL, params=values, distributions=distributions)
    return create_trial(value=math.log(time_us), params=values, distributions=distributions)


def _best(past: Sequence[Tried]) -> dict[str, Value] | None:
    passed = [(time_us, index) for index, (_, time_us) in enumerate(past) if time_us is not None]
    return past[min(passed)[1]][0] if passed else None


def _neighbours(family: Family, values: dict[str, Value]) -> Iterator[tuple[int, dict[str, Value]]]:
    """Yield every combination that differs from `values` in one knob, with the number of steps between both values.
    Steps are counted in the knob's list of values. Requirements are not checked.
    """
    for knob in family.knobs:
        present = knob.values.index(values[knob.name])
        for index, value in enumerate(knob.values):
            if index != present:
                yield abs(index - present), {**values, knob.name: value}


def _hypothesis(family: Family, values: dict[str, Value], past: Sequence[Tried]) -> str:
    """Return the hypothesis for a combination: how it differs from the family's best attempt, as `tiled: ROWS 2 -> 4`.
    While no attempt of the family has passed, return the hypothesis that the family's file states.
    """
    best = _best(past)
    if not past or best is None:
        return f"{family.name}: {family.hypothesis}"
    changed = ", ".join(f"{name} {best[name]} -> {value}" for name, value in values.items() if value != best[name])
    return f"{family.name}: {changed}"


def _key(values: dict[str, Value]) -> tuple[Value, ...]:
    return tuple(values.values())
