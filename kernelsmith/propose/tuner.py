"""The tuner: a proposer that searches the knob values (marked constants) of a task's families of kernels, beginning
with the first family.

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
    """A proposer that answers an ask with a family (a kernel source with marked constants, the knobs) and untried knob
    values. `seed` makes its random choices repeatable. Creating it raises UsageError if the task has no families, and
    TaskError if a family's file is malformed.
    """

    def __init__(self, task: Task, *, seed: int) -> None:
        if not task.families:
            raise UsageError(f"{task.name} has no families/ to tune: name a model (--model) or --proposer folder:DIR")
        self._families = [read_family(path) for path in task.families]
        self._seed = seed

    def propose(self, ask: Ask, history: History) -> Proposal:
        """Return a proposal with a family's kernel and untried knob values. The ask's stance (kind of step, such as
        refine or restart) and the history decide family and values. Raises Exhausted if every combination of every
        family was tried.
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
        """Return the families (kernel sources with knobs) in the order in which the tuner looks for an untried
        combination: first the one that the directive calls for, then those after it in the task, then those before it,
        last first. `trials` maps a family's name to its past attempts, each as a pair of knob values and time.
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
        """Return an untried combination of a family's knob values as a dict by name, or None if every one was tried.
        The defaults come first; after them the ask's stance (kind of step) decides whether the choice is near the best,
        random, or suggested by a sampler. `past` holds the family's attempts, oldest first, each as a pair of knob
        values and time.
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
        """Return the combination of `untried` that is nearest to the family's fastest one: it differs in a single knob,
        by the fewest positions in the knob's list of values, with ties broken at random. If none differs in a single
        knob, return a random one of `untried`. `past` holds the family's attempts, each as a pair of knob values and
        time.
        """
        best = _best(past) or family.defaults
        random_choice = generator(self._seed, "near", ask.number).choice
        near = [(steps, values) for steps, values in _neighbours(family, best) if values in untried]
        fewest = min((steps for steps, _ in near), default=0)
        return random_choice([values for steps, values in near if steps == fewest] or untried)

    def _suggestions(self, family: Family, ask: Ask, past: Sequence[Tried]) -> Iterator[dict[str, Value]]:
        """Yield up to SUGGESTIONS combinations of knob values, suggested by Optuna's sampler TPE (Tree-structured
        Parzen Estimator), which predicts fast ones from `past`, the family's attempts as pairs of knob values and time.
        A suggestion may have been tried before or break a requirement.
        """
        distributions: dict[str, BaseDistribution] = {k.name: CategoricalDistribution(k.values) for k in family.knobs}
        study = _new_study(seed=derived_seed(self._seed, "tpe", ask.number))
        study.add_trials([_frozen(trial, distributions) for trial in _learned(past)])
        for _ in range(SUGGESTIONS):
            trial = study.ask(distributions)
            yield dict(trial.params)
            study.tell(trial, state=TrialState.FAIL)


def _new_study(*, seed: int) -> optuna.Study:
    """Return an empty Optuna study (its record of trials), kept in memory, whose sampler TPE (Tree-structured Parzen
    Estimator) takes its random numbers from `seed`. Optuna's global settings do not change.
    """
    sampler = TPESampler(n_startup_trials=STARTUP_TRIALS, multivariate=True, seed=seed)
    with _quiet_study_log():
        return optuna.create_study(sampler=sampler)


@contextmanager
def _quiet_study_log() -> Iterator[None]:
    """Suppress, within a `with` block, the message that Optuna logs when a study is created, because it would disturb
    the view of the run; the block receives no value. Warnings, and messages of other threads, are still logged. After
    the block all messages are logged again.
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
    """Return a list with one pair for each attempt in `history` whose candidate is an instance of `family` (a kernel
    with knobs), oldest first. The first element is a dict from knob name to the value that was tried. The second is the
    measured time in us per call, or None if the attempt was not measured.
    """
    trials: list[Tried] = []
    for attempt in history.attempts:
        candidate, measured = attempt.candidate, attempt.verdict.measurement
        if candidate and candidate.params.get(FAMILY) == family.name:
            values = {knob.name: candidate.params[knob.name] for knob in family.knobs}
            trials.append((values, measured.time_us if measured else None))
    return trials


def _learned(past: Sequence[Tried]) -> Sequence[Tried]:
    """Return the part of `past`, a family's attempts, from which Optuna's sampler TPE learns: the 50 fastest of the
    older ones, then the latest 100. The sampler takes longer with each attempt, so a long past is cut.
    """
    older = past[:-LATEST]
    passed = [trial for trial in older if trial[1] is not None]
    return [*sorted(passed, key=lambda trial: trial[1] or math.inf)[:FASTEST], *past[-LATEST:]]


def _frozen(trial: Tried, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    """Return an attempt, a pair of knob values and time in us, as a finished trial for Optuna. Its value is the
    logarithm of the time, so that 1 % of a short time counts as much as 1 % of a long one; an attempt without a time
    becomes a failed trial. `distributions` holds the possible values of each knob by name.
    """
    values, time_us = trial
    if time_us is None:
        return create_trial(state=TrialState.FAIL, params=values, distributions=distributions)
    return create_trial(value=math.log(time_us), params=values, distributions=distributions)


def _best(past: Sequence[Tried]) -> dict[str, Value] | None:
    passed = [(time_us, index) for index, (_, time_us) in enumerate(past) if time_us is not None]
    return past[min(passed)[1]][0] if passed else None


def _neighbours(family: Family, values: dict[str, Value]) -> Iterator[tuple[int, dict[str, Value]]]:
    """Yield each combination that differs from `values` in exactly one knob, as a pair: the distance between both
    values of that knob, in positions of the knob's list, and the combination as a dict by knob name. Combinations that
    break a requirement are included.
    """
    for knob in family.knobs:
        present = knob.values.index(values[knob.name])
        for index, value in enumerate(knob.values):
            if index != present:
                yield abs(index - present), {**values, knob.name: value}


def _hypothesis(family: Family, values: dict[str, Value], past: Sequence[Tried]) -> str:
    """Return in words how the knob values `values` differ from the fastest ones of `past`, the family's attempts, for
    example `tiled: ROWS 2 -> 4`. While no attempt of the family has passed, return the hypothesis that the family's
    file states.
    """
    best = _best(past)
    if not past or best is None:
        return f"{family.name}: {family.hypothesis}"
    changed = ", ".join(f"{name} {best[name]} -> {value}" for name, value in values.items() if value != best[name])
    return f"{family.name}: {changed}"


def _key(values: dict[str, Value]) -> tuple[Value, ...]:
    return tuple(values.values())
