"""A recorded run and its replay: recorded figures, figures now, their ratio, and what no longer passes."""

from dataclasses import replace

import pytest

from kernelsmith.core.verdict import Status
from kernelsmith.report.model_replay import replay_report
from kernelsmith.report.replay_page import replay_text


@pytest.fixture
def replayed(attempt_with, history_with):
    """A history in which recorded attempts were judged again."""

    def build(*outcomes: tuple[int, dict], **settings):
        attempts = [attempt_with(n, params={"recorded": number}, **more) for n, (number, more) in enumerate(outcomes)]
        return history_with(*attempts, name="night-again", **settings)

    return build


def _rows(page: str) -> list[list[str]]:
    return [line.split() for line in page.split("\n\n")[1].splitlines()[1:]]


def test_every_candidate_has_a_row_with_both_figures_and_their_ratio(night, replayed):
    page = replay_text(replay_report(night(), replayed((1, {"utilization": 0.25}), (3, {"utilization": 0.2}))))
    first, second = _rows(page)
    assert " ".join(first) == "1 20.0 % 100 ms [99.0 ms, 101 ms] 25.0 % 80.0 ms [79.2 ms, 80.8 ms] 1.250"
    assert (second[0], second[-1]) == ("3", "0.500")


def test_both_devices_stand_above_with_their_peaks(night, replayed, cpu_device):
    again = replayed((1, {"utilization": 0.2}), device=replace(cpu_device, name="Other CPU", peak=50e9))
    head = replay_text(replay_report(night(), again)).split("\n\n")[0].splitlines()
    assert head[0].split("  ")[-1].strip() == "Test CPU, peak 100 GFLOP/s fp32"
    assert head[1].split("  ")[-1].strip() == "Other CPU, peak 50 GFLOP/s fp32"
    assert "unknown" in replay_text(replay_report(night(device=None), again))


def test_what_passed_then_and_does_not_now_is_lost(night, replayed):
    again = replayed(
        (0, {"status": Status.INCORRECT}),
        (1, {"status": Status.INCORRECT, "detail": "C[0,0]"}),
        (3, {"utilization": 0.2}),
    )
    assert replay_report(night(), again).lost == (1,)
    row = _rows(replay_text(replay_report(night(), again)))[1]
    assert row[-2:] == ["incorrect", "C[0,0]"]


def test_what_failed_then_and_passes_now_is_not_lost_and_has_no_ratio(night, replayed):
    again = replayed((0, {"utilization": 0.2}))
    assert replay_report(night(), again).lost == ()
    assert replay_report(night(), again).attempts[0].speedup is None


def test_recorded_attempts_are_found_by_number_and_not_by_place(attempt_with, history_with, replayed):
    recorded = history_with(attempt_with(4, utilization=0.2), attempt_with(9, utilization=0.4))
    (repeated,) = replay_report(recorded, replayed((9, {"utilization": 0.2}))).attempts
    assert (repeated.number, repeated.recorded.number, repeated.speedup) == (9, 9, pytest.approx(0.5))


def test_a_replay_that_has_not_begun_has_a_page(night, replayed, json_of):
    assert "speed now / then" in replay_text(replay_report(night(), replayed()))
    assert json_of(replay_report(night(), replayed()))["attempts"] == []


def test_the_data_is_plain(night, replayed, json_of):
    data = json_of(replay_report(night(), replayed((3, {"utilization": 0.5}))))
    assert (data["recorded"], data["now"]) == ("night", "night-again")
    (attempt,) = data["attempts"]
    assert (attempt["number"], attempt["recorded"]["number"], attempt["now"]["number"]) == (3, 3, 0)
    assert attempt["speedup"] == pytest.approx(1.25)


def test_rows_are_cut_to_the_terminal_and_hold_nothing_hostile(night, replayed, hostile, assert_harmless):
    again = replayed((1, {"status": Status.CRASHED, "detail": hostile + "x" * 300}))
    assert_harmless(replay_text(replay_report(night(), again)))
    table = replay_text(replay_report(night(), again), width=70).split("\n\n")[1]
    assert max(map(len, table.splitlines())) == 70
