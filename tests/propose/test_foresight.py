"""Foresight against what ladder and tuner then really propose."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from kernelsmith.core.attempt import Ask, Attempt, Directive, Origin, Proposal, Stance
from kernelsmith.core.candidate import Candidate
from kernelsmith.core.history import History
from kernelsmith.core.run import Run, RunConfig
from kernelsmith.core.task import Task
from kernelsmith.core.task_folder import find_task
from kernelsmith.core.verdict import Interval, Measurement, Promotion, Status, Verdict
from kernelsmith.propose.folder import FolderProposer
from kernelsmith.propose.foresight import Foresight
from kernelsmith.propose.tuner import Tuner
from kernelsmith.search import Ladder

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
ATTEMPTS = 40


def verdict(history: History, chance: random.Random) -> Verdict:
    """Of a noisy device on which one candidate in ten is wrong."""
    if chance.random() < 0.1:
        return Verdict(Status.INCORRECT, "C[0,0] is 0")
    time_us, best = chance.uniform(50, 150), history.incumbent
    figures = Measurement(time_us, Interval(time_us, time_us), 1 / time_us, 1e9 / time_us, 1e9, "fp32", time_us)
    if best is None:
        return Verdict(Status.PASSED, "", figures, Promotion.FIRST)
    is_faster = time_us < 0.99 * best.verdict.measurement.time_us
    return Verdict(Status.PASSED, "", figures, Promotion.DUEL if is_faster else None)


def grown(history: History, ask: Ask, proposal: Proposal, found: Verdict) -> History:
    return History(history.run, (*history.attempts, Attempt(ask, proposal, found, NOW, 1.0)))


@pytest.mark.parametrize("seed", [0, 1])
def test_nearly_every_candidate_of_the_tuner_was_foreseen_whatever_the_verdicts(seed: int) -> None:
    task, chance, prepared = find_task("cpu_matmul"), random.Random(seed), list[Candidate]()
    config = RunConfig(task.name, "tuner", plateau=3, seed=seed)
    strategy, tuner = Ladder(config), Tuner(task, seed=seed)
    history = History(Run(1, "night", config, "0" * 64, NOW))
    ask, proposal = Ask(0, strategy.ask(history, 0)), Proposal(Origin.SKELETON, "", task.skeleton)
    hits = 0
    for number in range(1, ATTEMPTS):
        prepared.clear()
        Foresight(strategy, tuner, prepare=prepared.extend)(history, ask, proposal)
        history = grown(history, ask, proposal, verdict(history, chance))
        ask = Ask(number, strategy.ask(history, number))
        proposal = tuner.propose(ask, history)
        hits += proposal.candidate in prepared
        assert len({candidate.digest for candidate in prepared}) == len(prepared) <= 4
    assert hits >= 0.9 * (ATTEMPTS - 1)


def test_what_was_judged_before_is_not_built_again(small_task: Task, empty: History) -> None:
    same = Proposal(Origin.FOLDER, "", small_task.skeleton)

    class Always:
        def propose(self, ask: Ask, history: History) -> Proposal:
            return same

    prepared = list[Candidate]()
    Foresight(Ladder(empty.run.config), Always(), prepare=prepared.extend)(empty, Ask(0, Directive(Stance.OPEN)), same)
    assert prepared == []


def test_a_folder_with_nothing_more_to_offer_is_no_fault(tmp_path, small_task: Task, empty: History) -> None:
    (tmp_path / "one.c").write_text("void matmul() {}")
    proposer, ask = FolderProposer(small_task, tmp_path), Ask(0, Directive(Stance.OPEN))
    told: list[Sequence[Candidate]] = []
    Foresight(Ladder(empty.run.config), proposer, prepare=told.append)(empty, ask, proposer.propose(ask, empty))
    assert told == [[]]
