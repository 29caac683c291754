"""Two attempts side by side: what differs, what it is worth, and whether that is real."""

import pytest

from kernelsmith.core.verdict import Facts, Figure, Status
from kernelsmith.report.attempts_diff_page import attempts_diff_text
from kernelsmith.report.model_diff import AttemptInRun, attempts_diff


@pytest.fixture
def side(history_with):
    """An attempt with a run of its own."""

    def build(attempt, *, name: str = "night") -> AttemptInRun:
        return AttemptInRun(history_with(attempt, name=name), attempt)

    return build


def _cells(page: str, name: str) -> list[str]:
    """The row of this name, without the name."""
    (line,) = [line for line in page.splitlines() if line.startswith(name + "  ")]
    return [cell.strip() for cell in line.removeprefix(name).split("  ") if cell.strip()]


def test_the_page_has_both_figures_with_their_denominators(side, attempt_with):
    a, b = side(attempt_with(1, utilization=0.2)), side(attempt_with(7, utilization=0.4))
    page = attempts_diff_text(attempts_diff(a, b))
    assert page.split("\n")[0].split() == ["night:1", "night:7"]
    assert _cells(page, "of peak") == ["20.0 %", "40.0 %"]
    assert _cells(page, "vendor") == ["25.0 % of OpenBLAS (Test)", "50.0 % of OpenBLAS (Test)"]
    assert _cells(page, "time/call") == ["100 ms", "50.0 ms"]
    assert _cells(page, "95 % interval") == ["[99.0 ms, 101 ms]", "[49.5 ms, 50.5 ms]"]


def test_the_page_says_what_the_difference_is_worth_and_how_to_settle_it(side, attempt_with):
    a, b = side(attempt_with(1, utilization=0.2)), side(attempt_with(7, utilization=0.4))
    page = attempts_diff_text(attempts_diff(a, b))
    assert "night:7 against night:1: 2.00x the speed; the 95 % intervals do not overlap" in page
    assert "kernelsmith duel cpu_matmul night:1 night:7" in page


def test_a_difference_within_the_intervals_is_not_called_one(side, attempt_with):
    a, b = side(attempt_with(1, utilization=0.4)), side(attempt_with(7, utilization=0.401))
    assert "1.00x the speed; the 95 % intervals overlap" in attempts_diff_text(attempts_diff(a, b))
    assert attempts_diff(a, b).measurement.intervals_overlap


def test_figures_of_different_peaks_say_so(side, attempt_with):
    a = side(attempt_with(1, utilization=0.4))
    b = side(attempt_with(7, utilization=0.4, peak=200e9), name="other")
    page = attempts_diff_text(attempts_diff(a, b))
    assert "measured against different peaks, 100 GFLOP/s fp32 and 200 GFLOP/s fp32" in page
    assert attempts_diff(a, b).measurement.peaks == (100e9, 200e9)
    assert "peaks" not in attempts_diff_text(attempts_diff(a, a))


def test_only_parameters_and_facts_that_differ_are_shown(side, rich):
    a = side(
        rich(1, params={"family": "tiled", "ROWS": 4, "OLD": 1}, facts=Facts(registers=64, instructions={"fma": 9}))
    )
    b = side(
        rich(2, params={"family": "tiled", "ROWS": 6, "NEW": 2}, facts=Facts(registers=64, instructions={"fma": 8}))
    )
    page = attempts_diff_text(attempts_diff(a, b))
    assert [_cells(page, name) for name in ("ROWS", "OLD", "NEW")] == [["4", "6"], ["1", "-"], ["-", "2"]]
    assert _cells(page, "fma instructions") == ["9", "8"]
    assert "family" not in page
    assert "registers" not in page


def test_the_sources_are_shown_as_a_unified_diff(side, attempt_with):
    a = side(attempt_with(1, utilization=0.2, source="int a;\nint b;\n"))
    b = side(attempt_with(2, utilization=0.4, source="int a;\nint c;\n"))
    lines = attempts_diff_text(attempts_diff(a, b)).splitlines()
    assert lines[-5:] == ["+++ night:2", "@@ -1,2 +1,2 @@", " int a;", "-int b;", "+int c;"]
    assert attempts_diff(a, b).source[-2:] == ("-int b;", "+int c;")


def test_identical_sources_say_so(side, attempt_with):
    a = side(attempt_with(1, utilization=0.2, source="int a;\n"))
    b = side(attempt_with(1, utilization=0.4, source="int a;\n"), name="other")
    assert attempts_diff_text(attempts_diff(a, b)).endswith("\n\nthe sources are identical")
    assert attempts_diff(a, b).source == ()


def test_sources_that_differ_in_the_ends_of_lines_are_not_called_identical(side, attempt_with):
    a = side(attempt_with(1, utilization=0.2, source="int a;\n"))
    b = side(attempt_with(2, utilization=0.2, source="int a;"))
    assert attempts_diff_text(attempts_diff(a, b)).endswith("\n\nthe sources differ in the ends of lines only")


@pytest.mark.parametrize("status", list(Status)[:-1])
def test_a_failed_attempt_can_be_compared_and_is_given_no_speed(side, attempt_with, json_of, status):
    a, b = side(attempt_with(1, utilization=0.2)), side(attempt_with(2, status=status, detail="why\nit failed"))
    for page in (attempts_diff_text(attempts_diff(a, b)), attempts_diff_text(attempts_diff(b, a))):
        assert f"night:2 is {status}: why it failed" in page
        assert "the speed" not in page
    assert json_of(attempts_diff(a, b))["measurement"] is None


def test_a_disturbed_vendor_ratio_is_marked(side, attempt_with, json_of):
    a, b = side(attempt_with(1, utilization=0.2)), side(attempt_with(7, utilization=0.4, disturbed=(Figure.VENDOR,)))
    report = attempts_diff(a, b)
    assert _cells(attempts_diff_text(report), "vendor") == [
        "25.0 % of OpenBLAS (Test)",
        "50.0 % of OpenBLAS (Test) (disturbed)",
    ]
    assert [json_of(report)[name]["vendor_disturbed"] for name in "ab"] == [False, True]


def test_the_command_that_settles_it_repeats_the_options(side, attempt_with):
    report = attempts_diff(side(attempt_with(1, utilization=0.2)), side(attempt_with(7, utilization=0.4)))
    assert "kernelsmith duel cpu_matmul night:1 night:7 --db x.db" in attempts_diff_text(report, options=" --db x.db")


def test_two_failed_attempts_can_be_compared(side, attempt_with):
    a, b = (side(attempt_with(n, status=Status.CRASHED, detail="SIGSEGV")) for n in (1, 2))
    assert _cells(attempts_diff_text(attempts_diff(a, b)), "status") == ["crashed", "crashed"]


def test_control_characters_do_not_reach_the_terminal(side, attempt_with, hostile, assert_harmless):
    a = side(attempt_with(1, status=Status.BUILD_FAILED, detail=hostile, source=f"/* {hostile}"))
    b = side(attempt_with(2, utilization=0.2, params={"family": hostile}, facts=Facts(warnings=(hostile,))))
    page = attempts_diff_text(attempts_diff(a, b))
    assert_harmless(page)
    assert page.count("\\x1b[2J") == 4


def test_the_data_is_plain(side, rich, json_of):
    data = json_of(attempts_diff(side(rich(1)), side(rich(2, utilization=0.5), name="other")))
    assert (data["a"]["run"], data["a"]["number"], data["b"]["run"], data["b"]["number"]) == ("night", 1, "other", 2)
    assert data["measurement"]["speedup"] == pytest.approx(1.25)
    assert data["parameters"] == data["facts"] == {}
