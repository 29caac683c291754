"""A run read back: every figure with its denominator, whatever the run came to."""

import pytest

from kernelsmith.core.run import Event, EventKind, RunStatus
from kernelsmith.core.verdict import Promotion, Status
from kernelsmith.report.attempt_line import attempt_line
from kernelsmith.report.run_page import run_data, run_page


def test_the_page_says_task_device_end_effort_and_best_with_their_denominators(night):
    page = run_page(night(), RunStatus.ENDED)
    for said in (
        "cpu_matmul, proposed by tuner",
        "Test CPU, peak 100 GFLOP/s fp32, OpenBLAS (Test) 80.0 %, sandbox level 3",
        "4 attempts made",
        "4 attempts, 2 passed, 0:08 active, $0.00",
        "40.0 % of 100 GFLOP/s fp32 · 50.0 % of OpenBLAS (Test) · 50.0 ms [49.5 ms, 50.5 ms] · attempt 3",
        "20.0 % at 1 > 40.0 % at 3",
        " ▅▅█",
    ):
        assert said in page


def test_every_attempt_is_a_row_with_its_parent_and_what_came_of_it(night):
    rows = [line.split() for line in run_page(night(), RunStatus.ENDED).splitlines()[-5:]]
    assert rows[0] == ["#", "from", "stance", "status", "of", "peak", "time", "what", "came", "of", "it"]
    assert rows[1] == ["0", "refine", "incorrect", "worst", "element", "C[3,4]:", "1.0,", "not", "2.0"]
    assert rows[3] == ["2", "refine", "no_candidate", "no", "fenced", "block"]
    assert rows[4][:7] == ["3", "1", "refine", "passed", "40.0", "%", "50.0"]


def test_rows_are_cut_to_the_terminal(attempt_with, history_with):
    history = history_with(attempt_with(0, status=Status.INCORRECT, detail="x" * 500))
    assert max(map(len, run_page(history, RunStatus.RUNNING, width=60).partition("\n\n")[2].splitlines())) == 60
    assert "x" * 500 in run_page(history, RunStatus.RUNNING)


@pytest.mark.parametrize("status", list(RunStatus))
def test_a_run_without_attempts_has_a_page(history_with, json_of, status):
    page = run_page(history_with(device=None), status)
    assert page.splitlines()[0] == "night"
    assert status in page
    assert "not yet" in page
    assert "none: no candidate passed" in page
    data = json_of(run_data(history_with(device=None), status))
    assert data["attempts"] == []
    assert (data["run"]["best"], data["run"]["device"], data["run"]["status"]) == (None, None, status)


def test_a_run_in_which_nothing_passed_says_so(attempt_with, history_with):
    history = history_with(*(attempt_with(n, status=status) for n, status in enumerate(list(Status)[1:-1])))
    page = run_page(history, RunStatus.ENDED)
    assert "none: no candidate passed" in page
    assert "6 attempts, 0 passed" in page


def test_what_a_candidate_wrote_does_not_reach_the_terminal(attempt_with, history_with, hostile, assert_harmless):
    history = history_with(attempt_with(0, status=Status.BUILD_FAILED, detail=hostile))
    assert_harmless(run_page(history, RunStatus.ENDED))


def test_what_an_endpoint_wrote_does_not_reach_the_terminal(history_with, night, hostile, assert_harmless):
    reason = Event(EventKind.PAUSED, night().run.created_at, data={"reason": f"ModelError: {hostile}"})
    page = run_page(night(events=(reason,)), RunStatus.PAUSED)
    assert_harmless(page)


def test_the_data_is_plain_and_utilizations_are_fractions(night, json_of):
    data = json_of(run_data(night(), RunStatus.ENDED))
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
    attempts = json_of(run_data(night(), RunStatus.ENDED))["attempts"]
    attempts += json_of(run_data(history_with(rich(0)), RunStatus.ENDED))["attempts"]
    assert len({tuple(attempt) for attempt in attempts}) == 1


def test_an_attempt_in_one_line_has_its_denominators(attempt_with, history_with):
    attempt = attempt_with(7, utilization=0.4, promotion=Promotion.FIRST)
    assert attempt_line(attempt, history_with()) == (
        "[7/10]  passed  refine  40.0 % of peak  50.0 % of OpenBLAS (Test)  50.0 ms  new best: the first that passes"
    )
    assert attempt_line(attempt, None) == (
        "[7]  passed  refine  40.0 % of peak  50.0 ms  new best: the first that passes"
    )


def test_a_failed_attempt_in_one_line_says_why(attempt_with, history_with, hostile, assert_harmless):
    line = attempt_line(attempt_with(3, status=Status.CRASHED, detail=hostile), history_with())
    assert line.startswith("[3/10]  crashed  refine  ")
    assert "\n" not in line
    assert_harmless(line)
