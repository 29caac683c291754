"""Figures in words: units, digits, and what stands beside a status."""

import pytest

from kernelsmith.core.kinds import Unit
from kernelsmith.core.verdict import Duel, Figure, Interval, Promotion, Status
from kernelsmith.report import figures
from kernelsmith.report.model import climb


@pytest.mark.parametrize(
    ("time_us", "text"),
    [
        (0.25, "0.250 us"),
        (2.5, "2.50 us"),
        (999.4, "999 us"),
        (999.6, "1.00 ms"),
        (1234.0, "1.23 ms"),
        (52_100.0, "52.1 ms"),
        (999_700.0, "1.00 s"),
        (4.2e6, "4.20 s"),
    ],
)
def test_a_time_has_three_digits_and_the_unit_that_fits(time_us, text):
    assert figures.duration(time_us) == text


@pytest.mark.parametrize(
    ("fraction", "text"), [(None, ""), (0.713, "71.3 %"), (1.0, "100.0 %"), (0.0123, "1.2 %"), (0.00123, "0.12 %")]
)
def test_a_fraction_of_peak_is_a_percentage(fraction, text):
    assert figures.percent(fraction) == text


@pytest.mark.parametrize(
    ("rate", "unit", "text"),
    [
        (117.4e9, Unit.FP32, "117.4 GFLOP/s fp32"),
        (1978.9e12, Unit.FP8, "1979 TFLOP/s fp8"),
        (3.35e12, Unit.DRAM, "3.35 TB/s dram"),
        (5e6, Unit.FP32, "5 MFLOP/s fp32"),
    ],
)
def test_a_rate_names_its_unit_and_which_peak_it_belongs_to(rate, unit, text):
    assert figures.rate(rate, unit) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (133.9, "2:13"), (3733, "1:02:13")])
def test_elapsed_time_reads_like_a_clock(seconds, text):
    assert figures.clock(seconds) == text


def test_the_vendor_share_names_the_library_and_is_left_out_without_one(attempt_with, cpu_device):
    verdict = attempt_with(0, utilization=0.4).verdict
    assert figures.of_vendor(verdict, cpu_device) == "50.0 % of OpenBLAS (Test)"
    assert figures.of_vendor(verdict, None) == ""
    assert figures.of_vendor(attempt_with(0, status=Status.CRASHED).verdict, cpu_device) == ""


def test_a_disturbed_vendor_share_says_so(attempt_with, cpu_device):
    disturbed = attempt_with(0, utilization=0.4, disturbed=(Figure.TIMING, Figure.VENDOR)).verdict
    assert figures.of_vendor(disturbed, cpu_device) == "50.0 % of OpenBLAS (Test) (disturbed)"
    other = attempt_with(0, utilization=0.4, disturbed=(Figure.TIMING,)).verdict
    assert figures.of_vendor(other, cpu_device) == "50.0 % of OpenBLAS (Test)"


def test_a_limit_is_shown_if_there_is_one():
    assert figures.spent(23, 60, "ask") == "23 of 60 asks"
    assert figures.spent(1, None, "ask") == "1 ask"


@pytest.mark.parametrize(("usd", "text"), [(0.123, "$0.12"), (0.0, "$0.00"), (None, "cost unknown")])
def test_a_cost_that_is_not_known_is_not_zero(usd, text):
    assert figures.cost(usd) == text


@pytest.mark.parametrize(
    ("promotion", "text"),
    [
        (Promotion.FIRST, "new best: the first that passes"),
        (Promotion.CLEAR, "new best: clearly faster, no duel needed"),
        (Promotion.DUEL, "new best: won the duel, 1.050x [1.020, 1.080]"),
        (None, "not faster than the best, 1.050x [1.020, 1.080]"),
    ],
)
def test_the_reason_of_a_passed_attempt_is_how_it_did_against_the_best(attempt_with, promotion, text):
    attempt = attempt_with(1, utilization=0.4, promotion=promotion, duel=Duel(1.05, Interval(1.02, 1.08), 24))
    assert figures.reason(attempt.verdict) == text


def test_the_reason_of_a_failed_attempt_is_its_detail_on_one_line(attempt_with, hostile, assert_harmless):
    reason = figures.reason(attempt_with(1, status=Status.BUILD_FAILED, detail=hostile).verdict)
    assert "\n" not in reason
    assert_harmless(reason)


def test_the_staircase_rises_only_with_promotions(attempt_with):
    attempts = [
        attempt_with(0, status=Status.INCORRECT),
        attempt_with(1, utilization=0.2, promotion=Promotion.FIRST),
        attempt_with(2, utilization=0.9),
        attempt_with(3, utilization=0.4, promotion=Promotion.DUEL),
    ]
    assert figures.staircase(climb(attempts)) == " ▅▅█"


def test_an_incumbent_with_a_lower_figure_than_the_one_it_beat_is_a_step_down(attempt_with):
    attempts = [
        attempt_with(0, utilization=0.6, promotion=Promotion.FIRST),
        attempt_with(1, utilization=0.3, promotion=Promotion.DUEL),
    ]
    assert figures.staircase(climb(attempts)) == "█▅"


def test_the_staircase_of_many_attempts_fits_its_width_and_ends_at_the_top(attempt_with):
    attempts = [attempt_with(n, utilization=(n + 1) / 200, promotion=Promotion.DUEL) for n in range(200)]
    stairs = figures.staircase(climb(attempts, 40))
    assert len(stairs) == 40
    assert stairs[-1] == "█"
    assert stairs == "".join(sorted(stairs))


def test_the_staircase_of_a_run_in_which_nothing_passed_is_empty(attempt_with):
    assert figures.staircase(climb([attempt_with(0, status=Status.INCORRECT)] * 3)) == "   "
    assert figures.staircase([]) == ""
