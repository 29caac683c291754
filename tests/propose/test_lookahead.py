"""Tests of the lookahead: its guesses against the candidates that ladder and tuner propose afterwards."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kernelsmith.core.attempt import Ask, Attempt, Directive, Origin, Proposal, Stance
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.history import History
from kernelsmith.core.kinds import Unit
from kernelsmith.core.run import Run, RunConfig
from kernelsmith.core.task import Task
from kernelsmith.core.task_folder import find_task
from kernelsmith.core.verdict import Interval, Measurement, Promotion, Status, Verdict
from kernelsmith.errors import Exhausted
from kernelsmith.propose.folder import FolderProposer
from kernelsmith.propose.lookahead import Lookahead
from kernelsmith.propose.tuner import Tuner
from kernelsmith.search import Ladder

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
ATTEMPTS = 40


def verdict(history: History, chance: random.Random) -> Verdict:
    """Return the verdict of a noisy device on which one candidate in ten is incorrect."""
    if chance.random() < 0.1:
        return Verdict(Status.INCORRECT, "C[0,0] is 0")
    time_us, best = chance.uniform(50, 150), history.incumbent
    figures = Measurement(time_us, Interval(time_us, time_us), 1 / time_us, 1e9 / time_us, 1e9, Unit.FP32, time_us)
    if best is None:
        return Verdict(Status.PASSED, "", figures, Promotion.FIRST)
    is_faster = time_us < 0.99 * best.verdict.measurement.time_us
    return Verdict(Status.PASSED, "", figures, Promotion.DUEL if is_faster else None)


def grown(history: History, ask: Ask, proposal: Proposal, found: Verdict) -> History:
    number = history.highest_attempt + 1
    attempt = Attempt(number, ask, 0, proposal, found, NOW, 1.0)
    return replace(history, attempts=(*history.attempts, attempt), asks=(*history.asks, ask))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_lookahead_guesses_nine_of_ten_of_the_tuners_candidates(seed: int) -> None:
    task, chance, prepared = find_task("cpu_matmul"), random.Random(seed), list[Candidate]()
    config = RunConfig(task.name, "tuner", plateau=3, seed=seed)
    strategy, tuner = Ladder(config), Tuner(task, seed=seed)
    history = History(Run(1, "night", config, "0" * 64, NOW))
    ask, proposal = Ask(0, strategy.ask(history, 0)), Proposal(Origin.SKELETON, "", task.skeleton)
    hits = 0
    for number in range(1, ATTEMPTS):
        prepared.clear()
        Lookahead(strategy, tuner, prepare=prepared.extend)(history, ask, proposal)
        history = grown(history, ask, proposal, verdict(history, chance))
        ask = Ask(number, strategy.ask(history, number), history.highest_attempt)
        proposal = tuner.propose(ask, history.as_seen_by(ask))
        hits += proposal.candidate in prepared
        assert len({candidate.digest for candidate in prepared}) == len(prepared) <= 4
    assert hits >= 0.9 * (ATTEMPTS - 1)


def test_a_candidate_that_was_judged_before_is_not_built_ahead(small_task: Task, empty: History) -> None:
    same = Proposal(Origin.FOLDER, "", small_task.skeleton)

    class Always:
        def propose(self, ask: Ask, history: History) -> Proposal:
            return same

    prepared = list[Candidate]()
    Lookahead(Ladder(empty.run.config), Always(), prepare=prepared.extend)(empty, Ask(0, Directive(Stance.OPEN)), same)
    assert prepared == []


def test_the_lookahead_ignores_an_exhausted_folder(tmp_path, small_task: Task, empty: History) -> None:
    (tmp_path / "one.c").write_text("void matmul() {}")
    proposer, ask = FolderProposer(small_task, tmp_path), Ask(0, Directive(Stance.OPEN))
    batches: list[Sequence[Candidate]] = []
    Lookahead(Ladder(empty.run.config), proposer, prepare=batches.append)(empty, ask, proposer.propose(ask, empty))
    assert batches == [[]]


class ExhaustedRecorder:
    """An exhausted proposer that records the asks that it receives."""

    def __init__(self) -> None:
        self.asked: list[tuple[Ask, History]] = []

    def propose(self, ask: Ask, history: History) -> Proposal:
        self.asked.append((ask, history))
        raise Exhausted("nothing")


def test_the_guessed_ask_has_the_numbers_that_the_loop_will_give_it(attempt_with, history_with) -> None:
    attempts = [
        attempt_with(0, utilization=0.1, promotion=Promotion.FIRST),
        attempt_with(1, utilization=0.05, parent=0),
        attempt_with(2, utilization=0.06, parent=0, ask_number=1, trial=1),
    ]
    history, proposer = history_with(*attempts), ExhaustedRecorder()
    ask = Ask(2, Directive(Stance.REFINE, 0), seen=2)
    history = replace(history, asks=(*history.asks, ask))
    proposal = Proposal(Origin.TUNER, "", Candidate("int x;", Language.C), 0)
    Lookahead(Ladder(history.run.config), proposer, prepare=lambda _: None)(history, ask, proposal)
    assert {(asked.number, asked.seen) for asked, _ in proposer.asked} == {(3, 3)}
    assert {seen.highest_attempt for _, seen in proposer.asked} == {3}
    assert [asked.directive.parent for asked, _ in proposer.asked] == [0, 3, 0, 3]


def test_the_guessed_ask_is_the_oldest_other_open_ask(attempt_with, history_with) -> None:
    proposer = ExhaustedRecorder()
    first, second = (Ask(number, Directive(Stance.REFINE, 0), seen=0) for number in (1, 2))
    history = history_with(attempt_with(0, utilization=0.1, promotion=Promotion.FIRST))
    history = replace(history, asks=(*history.asks, first, second))
    proposal = Proposal(Origin.TUNER, "", Candidate("int x;", Language.C), 0)
    Lookahead(Ladder(history.run.config), proposer, prepare=lambda _: None)(history, first, proposal)
    assert {asked.number for asked, _ in proposer.asked} == {2}
    assert {seen.highest_attempt for _, seen in proposer.asked} == {0}


def test_the_lookahead_does_not_repair_a_sweep_trial_that_is_being_judged(attempt_with, history_with) -> None:
    proposer = ExhaustedRecorder()
    history = history_with(
        attempt_with(0, utilization=0.1, promotion=Promotion.FIRST), attempt_with(1, utilization=0.05, parent=0)
    )
    proposal = Proposal(Origin.TUNER, "", Candidate("int x;", Language.C), 0)
    Lookahead(Ladder(history.run.config), proposer, prepare=lambda _: None)(history, history.asks[1], proposal)
    assert {asked.directive.stance for asked, _ in proposer.asked} == {Stance.REFINE}
