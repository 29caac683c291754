"""Tests of the tuner with the real ladder; a function of the knob values replaces the harness."""

import logging
import math
import random
import statistics
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import optuna
import pytest

from kernelsmith.core.attempt import Ask, Attempt, Directive, Origin, Proposal, Stance
from kernelsmith.core.history import History
from kernelsmith.core.kinds import Unit
from kernelsmith.core.run import Run, RunConfig
from kernelsmith.core.task import Task
from kernelsmith.core.verdict import Interval, Measurement, Promotion, Status, Verdict
from kernelsmith.errors import Exhausted, UsageError
from kernelsmith.propose.knobs import FAMILY, read_family
from kernelsmith.propose.tuner import LATEST, Tuner
from kernelsmith.search import Ladder

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
Params = Mapping[str, int | float | str]
Times = Callable[[Params], float | None]
"""Maps a candidate's parameters to its time in us, or to None if the candidate is incorrect."""


class Search:
    """A run in memory: attempt 0 is a broken skeleton; ladder, tuner and the function `times` make the others."""

    def __init__(self, task: Task, times: Times, *, seed: int, plateau: int) -> None:
        self.config = RunConfig(task.name, "tuner", plateau=plateau, seed=seed)
        self.task, self.times = task, times
        self.tuner = Tuner(task, seed=seed)
        skeleton = Proposal(Origin.SKELETON, "", task.skeleton)
        broken = Verdict(Status.INCORRECT, "C[0,0] is 0")
        self.attempts = [Attempt(0, Ask(0, Directive(Stance.OPEN)), 0, skeleton, broken, NOW, 1.0)]

    @property
    def history(self) -> History:
        return History(Run(1, "night", self.config, "0" * 64, NOW), tuple(self.attempts))

    @property
    def tried(self) -> list[Params]:
        """Return the parameters of every candidate after attempt 0, oldest first."""
        return [attempt.candidate.params for attempt in self.attempts[1:]]

    @property
    def families(self) -> list[str]:
        """Return the family of every candidate after attempt 0, oldest first."""
        return [str(params[FAMILY]) for params in self.tried]

    @property
    def best_us(self) -> float:
        return self.history.incumbent.verdict.measurement.time_us

    def go(self, count: int, *, stance: Stance | None = None) -> "Search":
        """Add `count` attempts, with the ladder's directives, or all with one stance and the incumbent as parent."""
        for _ in range(count):
            number = len(self.attempts)
            directive = Ladder(self.config).ask(self.history, number)
            if stance:
                best = self.history.incumbent
                directive = Directive(stance, best.number if best and stance is not Stance.RESTART else None)
            ask = Ask(number, directive, number - 1)
            proposal = self.tuner.propose(ask, self.history)
            self.attempts.append(Attempt(number, ask, 0, proposal, self._judge(proposal), NOW, 1.0))
        return self

    def _judge(self, proposal: Proposal) -> Verdict:
        time_us = self.times(proposal.candidate.params)
        if time_us is None:
            return Verdict(Status.INCORRECT, "C[0,0] is 0")
        best = self.history.incumbent
        found = Measurement(time_us, Interval(time_us, time_us), 1 / time_us, 1e9 / time_us, 1e9, Unit.FP32, time_us)
        promotion = None if best and time_us > self.best_us * 0.99 else Promotion.DUEL if best else Promotion.FIRST
        return Verdict(Status.PASSED, "", found, promotion)


def _steady(params: Params) -> float:
    """Return the same time for every candidate."""
    return 100.0


@pytest.fixture
def search(small_task):
    """Return a function that begins a run of the small task, or of another one."""

    def begin(times: Times = _steady, *, task: Task = small_task, seed: int = 0, plateau: int = 4) -> Search:
        return Search(task, times, seed=seed, plateau=plateau)

    return begin


@pytest.fixture
def task_of(small_task, tmp_path):
    """Return a function that replaces the small task's families; each argument is a family's name and source."""

    def make(**families: str) -> Task:
        for name, knobs in families.items():
            (tmp_path / f"{name}.c").write_text(f"// hypothesis: {name} is faster\n{knobs}\n", encoding="utf-8")
        return replace(small_task, families=tuple(sorted(tmp_path.glob("*.c"))))

    return make


def _knob(name: str, count: int) -> str:
    return f"#define {name} 0 // knob: {' '.join(map(str, range(count)))}\n"


# --- what is proposed at all ---


def test_the_first_candidate_of_a_family_has_its_defaults(search, small_task):
    run = search(seed=3).go(17)
    for path in small_task.families:
        first = next(params for params in run.tried if params[FAMILY] == path.stem)
        assert first == {FAMILY: path.stem, **read_family(path).defaults}


@pytest.mark.parametrize("seed", range(3))
def test_every_combination_is_proposed_once_and_then_the_tuner_is_exhausted(search, small_task, seed):
    run = search(lambda params: 100.0 + sum(map(len, map(str, params.values()))), seed=seed).go(17)
    everything = [
        {FAMILY: family.name, **values}
        for family in map(read_family, small_task.families)
        for values in family.combinations
    ]
    assert len(run.tried) == len(everything) == 17
    assert all(params in run.tried for params in everything)
    with pytest.raises(Exhausted, match="every combination of every family was tried"):
        run.go(1)


def test_a_combination_that_breaks_a_requirement_is_never_proposed(search, task_of):
    task = task_of(a=_knob("X", 5) + _knob("Y", 5) + "// require: X + Y <= 3")
    run = search(lambda params: 100.0 - params["X"] - params["Y"], task=task).go(10)
    assert all(params["X"] + params["Y"] <= 3 for params in run.tried)
    with pytest.raises(Exhausted):
        run.go(1)


def test_the_hypothesis_names_the_values_that_differ_from_the_best(search, task_of):
    run = search(task=task_of(a=_knob("X", 2) + _knob("Y", 1))).go(2)
    first, second = (attempt.proposal for attempt in run.attempts[1:])
    assert first.hypothesis == "a: a is faster"
    assert second.hypothesis == "a: X 0 -> 1"
    assert (second.origin, second.parent) == (Origin.TUNER, 1)


def test_the_source_holds_the_values_that_the_parameters_name(search):
    for attempt in search().go(17).attempts[1:]:
        candidate = attempt.candidate
        for name, value in candidate.params.items():
            assert name == FAMILY or f"#define {name} {value}  // knob" in candidate.source


# --- families ---


def test_the_search_begins_with_the_first_family(search):
    assert search().go(3).families == ["1_dot"] * 3


def test_refine_and_diagnose_stay_in_the_incumbents_family(search):
    run = search(plateau=3).go(7)
    assert [attempt.stance for attempt in run.attempts[2:]] == ["refine"] * 3 + ["diagnose"] * 3
    assert set(run.families) == {"1_dot"}


def test_restructure_moves_to_the_next_untried_family(search, task_of):
    task = task_of(a=_knob("X", 9), b=_knob("X", 9), c=_knob("X", 9))
    run = search(task=task, plateau=2).go(7)
    assert [attempt.stance for attempt in run.attempts[6:]] == ["restructure"] * 2
    assert run.families[5:] == ["b", "b"]


def test_a_faster_family_is_refined_until_the_next_plateau(search, task_of):
    task = task_of(a=_knob("X", 9), b=_knob("X", 9), c=_knob("X", 9))
    run = search(lambda params: {"a": 100.0, "b": 50.0, "c": 25.0}[params[FAMILY]], task=task, plateau=2).go(13)
    assert run.families == ["a"] * 5 + ["b"] * 5 + ["c"] * 3


def test_a_new_family_with_broken_defaults_is_repaired_with_other_values_of_that_family(search, task_of):
    task = task_of(a=_knob("X", 9), b=_knob("X", 9))

    def times(params: Params) -> float | None:
        return None if params[FAMILY] == "b" and params["X"] == 0 else 100.0

    run = search(times, task=task, plateau=2).go(7)
    assert [attempt.stance for attempt in run.attempts[6:]] == ["restructure", "repair"]
    assert run.families[5:] == ["b", "b"]


def test_restructure_tries_other_values_of_the_best_family_if_every_family_was_tried(search, task_of):
    task = task_of(a=_knob("X", 9), b=_knob("X", 9))
    run = search(lambda params: {"a": 50.0, "b": 100.0}[params[FAMILY]], task=task)
    run.go(1).go(1, stance=Stance.RESTRUCTURE)
    assert run.families == ["a", "b"]
    assert run.go(3, stance=Stance.RESTRUCTURE).families[2:] == ["a"] * 3


def test_restart_moves_to_an_untried_family(search, task_of):
    run = search(task=task_of(a=_knob("X", 9), b=_knob("X", 9), c=_knob("X", 9))).go(1)
    assert run.go(2, stance=Stance.RESTART).families == ["a", "b", "c"]


def test_restart_takes_random_values_of_the_best_family_if_every_family_was_tried(search, task_of):
    task = task_of(a=_knob("X", 9))
    restarted = [search(task=task, seed=seed).go(1).go(1, stance=Stance.RESTART).tried[-1] for seed in range(60)]
    assert {params["X"] for params in restarted} == set(range(1, 9))


def test_a_family_without_knobs_gives_one_attempt(search, task_of):
    run = search(task=task_of(a="void matmul(void) {}", b=_knob("X", 2))).go(3)
    assert run.tried == [{FAMILY: "a"}, {FAMILY: "b", "X": 0}, {FAMILY: "b", "X": 1}]
    with pytest.raises(Exhausted):
        run.go(1)


def test_the_next_family_follows_a_family_whose_combinations_were_all_tried(search, task_of):
    run = search(task=task_of(a=_knob("X", 2), b=_knob("X", 2), c=_knob("X", 2)), plateau=99).go(6)
    assert run.families == ["a", "a", "b", "b", "c", "c"]


def test_a_task_without_families_is_a_one_line_user_error(small_task):
    with pytest.raises(UsageError, match=r"small_matmul has no families/ to tune: name a model \(--model\)"):
        Tuner(replace(small_task, families=()), seed=0)


# --- values ---


def test_diagnose_changes_one_knob_of_the_best_by_one_step(search, task_of):
    task = task_of(a=_knob("X", 7) + _knob("Y", 7) + _knob("Z", 7))
    run = search(_bowl, task=task).go(8)
    best = run.history.incumbent.candidate.params
    diagnosed = run.go(1, stance=Stance.DIAGNOSE).tried[-1]
    (changed,) = [name for name in "XYZ" if diagnosed[name] != best[name]]
    assert abs(diagnosed[changed] - best[changed]) == 1


def test_diagnose_takes_larger_steps_after_every_single_step_was_tried(search, task_of):
    task = task_of(a=_knob("X", 5) + _knob("Y", 5))
    run = search(task=task).go(9, stance=Stance.DIAGNOSE)
    steps = [abs(params["X"]) + abs(params["Y"]) for params in run.tried]
    assert steps == [0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert all(params["X"] == 0 or params["Y"] == 0 for params in run.tried)
    assert run.go(1, stance=Stance.DIAGNOSE).tried[-1]["X"] > 0 < run.tried[-1]["Y"]


def test_failed_candidates_do_not_stop_the_search_within_a_family(search, task_of):
    task = task_of(a=_knob("X", 9) + _knob("Y", 9))
    run = search(lambda params: None if params["X"] < 8 else 100.0, task=task).go(60)
    assert run.history.incumbent is not None


def _bowl(params: Params) -> float:
    """Return a time that is smooth in X, Y and Z, with its optimum of 100 us at 5, 1, 4."""
    away = (params["X"] - 5) ** 2 + (params["Y"] - 1) ** 2 + (params["Z"] - 4) ** 2
    return 100.0 * math.exp(0.05 * away)


def test_the_tuner_finds_faster_kernels_in_a_smooth_space_than_random_search(search, task_of):
    task = task_of(a=_knob("X", 7) + _knob("Y", 7) + _knob("Z", 7))
    combinations = read_family(task.families[0]).combinations
    tuned = [search(_bowl, task=task, seed=seed).go(30).best_us for seed in range(5)]
    blind = [min(map(_bowl, random.Random(seed).sample(combinations, 30))) for seed in range(200)]
    assert statistics.median(tuned) < statistics.quantiles(blind, n=4)[0]


# --- purity ---


@pytest.mark.parametrize("seed", range(2))
def test_a_run_resumed_at_every_attempt_proposes_the_same_as_an_uninterrupted_run(search, task_of, seed):
    task = task_of(a=_knob("X", 7) + _knob("Y", 7) + _knob("Z", 7), b=_knob("X", 7) + _knob("Y", 7) + _knob("Z", 7))
    whole = search(_bowl, task=task, seed=seed).go(40)
    resumed = search(_bowl, task=task, seed=seed)
    for _ in range(40):
        resumed.tuner = Tuner(task, seed=seed)
        resumed.go(1)
    assert {attempt.stance for attempt in whole.attempts} >= {"refine", "diagnose", "restructure"}
    assert resumed.attempts == whole.attempts


def test_another_seed_gives_another_search(search, task_of):
    task = task_of(a=_knob("X", 7) + _knob("Y", 7) + _knob("Z", 7))
    assert search(_bowl, task=task, seed=1).go(9).tried != search(_bowl, task=task, seed=2).go(9).tried


def test_the_tuner_prints_and_logs_nothing(search, capfd, caplog):
    with caplog.at_level(logging.WARNING):
        search(lambda params: None if params.get("LANES") == 4 else 100.0).go(17)
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_the_tuner_leaves_optunas_logging_of_the_users_program_unchanged(search):
    storage = logging.getLogger("optuna.storages._in_memory")
    before = optuna.logging.get_verbosity(), list(storage.filters)
    heard: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("optuna").addHandler(listener)
    try:
        search(lambda params: 100.0).go(17)
        assert heard == [], "the tuner's own studies are not announced"
        optuna.create_study(study_name="the user's")
    finally:
        logging.getLogger("optuna").removeHandler(listener)
    assert (optuna.logging.get_verbosity(), storage.filters) == before
    assert heard == ["A new study created in memory with name: the user's"]


def test_the_tuner_finds_the_optimum_although_it_learns_from_a_part_of_a_long_past(search, task_of):
    task = task_of(a=_knob("X", 7) + _knob("Y", 7) + _knob("Z", 7))
    assert search(_bowl, task=task).go(LATEST + 40).best_us == 100.0
