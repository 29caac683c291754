"""Every cheat is caught and nobody honest is accused."""

import re
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from scripted import FIRST

from kernelsmith import paths
from kernelsmith.app.zoo import CandidateKind, ZooOutcome, _outcome, examine, load_zoo
from kernelsmith.core.verdict import Duel, Interval

THREATS = range(1, 44)
THREAT_MODEL = Path(__file__).parents[2] / "harness" / "README.md"


def test_each_candidate_gets_the_verdict_it_deserves(harness, exploit) -> None:
    verdict = harness.process.submit(exploit.candidate, None).result()
    assert verdict.status in exploit.expect, f"{exploit.name}: {verdict.status}: {verdict.detail}"


def test_a_cheat_that_passes_is_no_faster_than_honest_work(harness, zoo) -> None:
    honest = {exploit.no_faster_than for exploit in zoo}
    tried = [exploit for exploit in zoo if exploit.no_faster_than or exploit.name in honest]
    assert len(tried) > len(honest)
    assert [one.exploit.name for one in examine(harness.process, tried) if one.outcome is ZooOutcome.MISSED] == []


def test_no_control_character_of_a_candidate_reaches_the_verdict(harness, zoo) -> None:
    loud = next(exploit for exploit in zoo if exploit.name == "speaks_to_the_reader")
    detail = harness.process.submit(loud.candidate, None).result().detail
    assert not [c for c in detail if ord(c) < 32 and c != "\n"]
    assert len(detail) < 4000


def test_the_zoo_holds_enough_of_each_kind(zoo) -> None:
    kinds = [exploit.kind for exploit in zoo]
    assert kinds.count(CandidateKind.HONEST) >= 15
    assert kinds.count(CandidateKind.WRONG) >= 1
    assert kinds.count(CandidateKind.CHEAT) >= 45
    assert all(exploit.rows for exploit in zoo if exploit.kind is CandidateKind.CHEAT)
    assert all(
        exploit.no_faster_than for exploit in zoo if exploit.kind is CandidateKind.CHEAT and "passed" in exploit.expect
    )


def test_every_row_of_the_threat_model_names_the_candidates_that_act_it_out() -> None:
    text, acted_out = THREAT_MODEL.read_text(encoding="utf-8"), {row: set[str]() for row in THREATS}
    for exploit in load_zoo(paths.exploits_folder()):
        for row in exploit.rows:
            acted_out[row].add(exploit.name)
    named = {
        int(row): set(names.split(", ")) for row, names in re.findall(r"^\| (\d+) \|.*\| (.*) \|$", text, re.MULTILINE)
    }
    assert named == {row: names or {"by construction"} for row, names in acted_out.items()}


@pytest.mark.parametrize(
    ("kind", "passed", "gains", "outcome"),
    [
        (CandidateKind.CHEAT, False, False, ZooOutcome.CAUGHT),
        (CandidateKind.CHEAT, True, False, ZooOutcome.CAUGHT),
        (CandidateKind.CHEAT, True, True, ZooOutcome.MISSED),
        (CandidateKind.HONEST, True, False, ZooOutcome.PASSED),
        (CandidateKind.HONEST, False, False, ZooOutcome.ACCUSED),
        (CandidateKind.WRONG, False, False, ZooOutcome.CAUGHT),
        (CandidateKind.WRONG, True, False, ZooOutcome.MISSED),
    ],
)
def test_an_outcome_follows_from_the_verdict(kind, passed, gains, outcome) -> None:
    assert _outcome(kind, passed=passed, gains=gains) is outcome


class JudgeThatLetsPass:
    """A judge that lets every candidate pass, with duels of these speedups in turn."""

    def __init__(self, *speedups: float) -> None:
        self._speedups = list(speedups)

    def submit(self, candidate, incumbent) -> Future:
        answer: Future = Future()
        answer.set_result(FIRST)
        return answer

    def duel(self, a, b) -> Duel:
        speedup = self._speedups.pop(0)
        return Duel(speedup, Interval(speedup, speedup), 24)


@pytest.mark.parametrize(
    ("speedups", "outcome"),
    [((1.0,), ZooOutcome.CAUGHT), ((1.05, 1.0), ZooOutcome.CAUGHT), ((1.05, 1.05), ZooOutcome.MISSED)],
)
def test_a_gain_counts_only_if_a_second_duel_confirms_it(zoo, speedups, outcome) -> None:
    by_name = {one.name: one for one in zoo}
    cheat = by_name["takes_what_lies_there"]
    honest = by_name[cheat.no_faster_than]
    assert next(examine(JudgeThatLetsPass(*speedups), [cheat, honest])).outcome is outcome


def test_a_missing_guard_is_found(harness, zoo) -> None:
    """An honest kernel that is called a cheat stands for a cheat that gets through."""
    honest = next(exploit for exploit in zoo if exploit.name == "control_honest")
    slow = next(exploit for exploit in zoo if exploit.name == "control_in_place_sums")
    missed = replace(honest, name="free", kind=CandidateKind.CHEAT, no_faster_than=None)
    accused = replace(next(e for e in zoo if e.name == "writes_zeros"), kind=CandidateKind.HONEST)
    found = [one.outcome for one in examine(harness.process, [missed, accused, slow])]
    assert found == [ZooOutcome.MISSED, ZooOutcome.ACCUSED, ZooOutcome.PASSED]
