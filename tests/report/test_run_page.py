"""A run read back: every figure with its denominator, whatever the run came to."""

from dataclasses import replace

import pytest

from kernelsmith.core.run import Event, EventKind, Provenance, RunStatus
from kernelsmith.core.verdict import Figure, Promotion, Status
from kernelsmith.report.attempt_line import attempt_line
from kernelsmith.report.model import run_report
from kernelsmith.report.model_attempt import attempt_row
from kernelsmith.report.run_page import run_text


def test_the_page_says_task_device_end_effort_and_best_with_their_denominators(night):
    page = run_text(run_report(night(), RunStatus.ENDED))
    for text in (
        "cpu_matmul, proposed by tuner",
        "Test CPU, peak 100 GFLOP/s fp32, OpenBLAS (Test) 80.0 %, sandbox level 3 of 3",
        "4 attempts made",
        "4 asks, 4 attempts, 2 passed, 0:08 working, 0:00 from start to end, $0.00",
        "40.0 % of 100 GFLOP/s fp32 · 50.0 % of OpenBLAS (Test) · 50.0 ms [49.5 ms, 50.5 ms] · attempt 3",
        "20.0 % at 1 > 40.0 % at 3",
        " ▅▅█",
    ):
        assert text in page


def test_every_attempt_is_a_row_with_its_parent_and_what_came_of_it(night):
    rows = [line.split() for line in run_text(run_report(night(), RunStatus.ENDED)).splitlines()[-5:]]
    assert rows[0] == ["#", "from", "stance", "status", "%", "peak", "time/call", "result"]
    assert rows[1] == ["0", "refine", "incorrect", "worst", "element", "C[3,4]:", "1.0,", "not", "2.0"]
    assert rows[3] == ["2", "refine", "no_candidate", "no", "fenced", "block"]
    assert rows[4][:7] == ["3", "1", "refine", "passed", "40.0", "50.0", "ms"]


@pytest.mark.parametrize("width", [60, 80, 140])
def test_no_line_is_longer_than_the_terminal_is_wide(attempt_with, history_with, width):
    attempts = [attempt_with(n, utilization=0.1 + n / 100, promotion=Promotion.DUEL) for n in range(80)]
    history = history_with(*attempts, attempt_with(80, status=Status.INCORRECT, detail="x" * 500))
    page = run_text(run_report(history, RunStatus.RUNNING), width=width)
    assert max(map(len, page.splitlines())) == width
    assert page.splitlines()[-1].endswith("x…")
    assert f"{'steps':6}  10.0 % at 0 > " in page
    assert "89.0 % at 79" in " ".join(page.split())


def test_without_a_width_no_cell_is_shortened(attempt_with, history_with):
    history = history_with(attempt_with(0, status=Status.INCORRECT, detail="x" * 500))
    assert "x" * 500 in run_text(run_report(history, RunStatus.RUNNING))


@pytest.mark.parametrize("status", list(RunStatus))
def test_a_run_without_attempts_has_a_page(history_with, json_of, status):
    page = run_text(run_report(history_with(device=None), status))
    assert page.splitlines()[0] == "night"
    assert status in page
    assert "not yet" in page
    assert "none: no candidate passed" in page
    data = json_of(run_report(history_with(device=None), status))
    assert data["attempts"] == []
    assert (data["run"]["best"], data["run"]["device"], data["run"]["status"]) == (None, None, status)


def test_a_run_in_which_nothing_passed_says_so(attempt_with, history_with):
    history = history_with(*(attempt_with(n, status=status) for n, status in enumerate(list(Status)[1:-1])))
    page = run_text(run_report(history, RunStatus.ENDED))
    assert "none: no candidate passed" in page
    assert "6 asks, 6 attempts, 0 passed" in page


def test_what_a_candidate_wrote_does_not_reach_the_terminal(attempt_with, history_with, hostile, assert_harmless):
    history = history_with(attempt_with(0, status=Status.BUILD_FAILED, detail=hostile))
    assert_harmless(run_text(run_report(history, RunStatus.ENDED)))


def test_what_an_endpoint_wrote_does_not_reach_the_terminal(history_with, night, hostile, assert_harmless):
    reason = Event(EventKind.PAUSED, night().run.created_at, data={"reason": f"ModelError: {hostile}"})
    page = run_text(run_report(night(events=(reason,)), RunStatus.PAUSED))
    assert_harmless(page)


def test_the_data_is_plain_and_utilizations_are_fractions(night, json_of):
    data = json_of(run_report(night(), RunStatus.ENDED))
    assert set(data) == {"run", "attempts", "events"}
    assert (data["run"]["name"], data["run"]["ended"]) == ("night", "4 attempts made")
    assert (data["run"]["best"]["number"], data["run"]["best"]["utilization"]) == (3, 0.4)
    assert (data["run"]["best"]["peak"], data["run"]["best"]["unit"]) == (100e9, "fp32")
    assert data["run"]["config"]["budget"]["attempts"] == 10
    assert data["run"]["device"]["vendor"]["name"] == "OpenBLAS (Test)"
    assert [attempt["utilization"] for attempt in data["attempts"]] == [None, 0.2, None, 0.4]
    assert [attempt["parent"] for attempt in data["attempts"]] == [None, 0, None, 1]
    assert [attempt["status"] for attempt in data["attempts"]] == ["incorrect", "passed", "no_candidate", "passed"]


def test_every_attempt_has_the_same_keys_whatever_became_of_it(night, rich, history_with, json_of):
    attempts = json_of(run_report(night(), RunStatus.ENDED))["attempts"]
    attempts += json_of(run_report(history_with(rich(0)), RunStatus.ENDED))["attempts"]
    assert len({tuple(attempt) for attempt in attempts}) == 1


def test_a_run_with_sweep_trials_shows_ask_and_trial_of_every_attempt(swept, night):
    page = run_text(run_report(swept, RunStatus.ENDED))
    rows = [line.split() for line in page.splitlines()[-5:]]
    assert rows[0][:5] == ["#", "ask", "trial", "from", "stance"]
    assert [row[:4] for row in rows[2:]] == [["1", "1", "0", "0"], ["2", "1", "1", "0"], ["3", "1", "2", "0"]]
    assert "2 asks, 4 attempts (2 sweep trials), 4 passed" in page
    assert " trial " not in run_text(run_report(night(), RunStatus.ENDED))


def test_the_data_counts_asks_and_names_what_made_the_run(swept, json_of):
    made_by = Provenance("0.2.0+3fa1b2c4d5e6", "h" * 64, "t" * 64, {"duel": {"margin": 1.01}})
    data = json_of(run_report(replace(swept, run=replace(swept.run, uuid="u-1", provenance=made_by)), RunStatus.ENDED))
    about = data["run"]
    assert (about["uuid"], about["asks"], about["attempts"], about["sweep_trials"]) == ("u-1", 2, 4, 2)
    assert about["provenance"] == {
        "program": "0.2.0+3fa1b2c4d5e6",
        "harness_digest": "h" * 64,
        "templates_digest": "t" * 64,
        "timing_policy": {"duel": {"margin": 1.01}},
    }
    assert [(attempt["ask"], attempt["trial"]) for attempt in data["attempts"]] == [(0, 0), (1, 0), (1, 1), (1, 2)]


def test_the_page_names_the_program_that_made_the_run(night):
    history = night()
    history = replace(history, run=replace(history.run, provenance=Provenance("0.2.0+3fa1b2c4d5e6")))
    assert "made by  kernelsmith 0.2.0+3fa1b2c4d5e6" in run_text(run_report(history, RunStatus.ENDED))


def test_an_attempt_in_one_line_has_its_denominators(attempt_with, cpu_device):
    attempt = attempt_with(7, utilization=0.4, promotion=Promotion.FIRST)
    assert attempt_line(attempt_row(attempt, cpu_device), limit=10) == (
        "[7/10]  passed  refine  40.0 % of peak  50.0 % of OpenBLAS (Test)  50.0 ms  new best: the first that passes"
    )
    assert attempt_line(attempt_row(attempt, None)) == (
        "[7]  passed  refine  40.0 % of peak  50.0 ms  new best: the first that passes"
    )


def test_a_sweep_trial_in_one_line_says_which_ask_it_answers(swept, cpu_device):
    lines = [attempt_line(attempt_row(attempt, cpu_device), limit=60) for attempt in swept.attempts]
    heads = [line.split("  ")[0] for line in lines]
    assert heads == ["[0/60]", "[1/60]", "[2, ask 1/60, trial 1]", "[3, ask 1/60, trial 2]"]


def test_a_failed_attempt_in_one_line_says_why(attempt_with, hostile, assert_harmless):
    line = attempt_line(attempt_row(attempt_with(3, status=Status.CRASHED, detail=hostile), None), limit=10)
    assert line.startswith("[3/10]  crashed  refine  ")
    assert "\n" not in line
    assert_harmless(line)


def test_a_disturbed_vendor_ratio_is_marked_in_line_and_data(attempt_with, cpu_device, json_of):
    row = attempt_row(attempt_with(7, utilization=0.4, disturbed=(Figure.VENDOR,)), cpu_device)
    assert "50.0 % of OpenBLAS (Test) (disturbed)" in attempt_line(row)
    assert json_of(row)["vendor_disturbed"] is True
    assert json_of(attempt_row(attempt_with(7, utilization=0.4), cpu_device))["vendor_disturbed"] is False
