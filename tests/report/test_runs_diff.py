"""Two runs side by side: where they parted, when each got where, and best against best."""

from dataclasses import replace

import pytest

from kernelsmith.core.attempt import Ask, Directive, Stance
from kernelsmith.core.history import History
from kernelsmith.core.run import Budget, Event, EventKind, Provenance
from kernelsmith.core.verdict import Promotion, Status
from kernelsmith.report.model_runs_diff import Milestone, runs_diff
from kernelsmith.report.runs_diff_page import runs_diff_text


@pytest.fixture
def climb(attempt_with, history_with):
    """A run that is promoted at every attempt, to these utilizations."""

    def build(name: str, *utilizations: float, peak: float = 100e9, sources: tuple[str, ...] = (), **settings):
        attempts = [
            attempt_with(n, utilization=u, promotion=Promotion.DUEL, peak=peak, source=sources[n] if sources else None)
            for n, u in enumerate(utilizations)
        ]
        return history_with(*attempts, name=name, **settings)

    return build


def test_milestones_are_every_tenth_of_peak_that_either_run_reached(climb, json_of):
    a, b = climb("night", 0.05, 0.22, 0.35), climb("other", 0.12)
    assert json_of(runs_diff(a, b))["milestones"] == [
        {"milestone": "first passing attempt", "a": 0, "b": 0, "a_active_s": 2.0, "b_active_s": 2.0},
        {"milestone": "10 % of peak", "a": 1, "b": 0, "a_active_s": 4.0, "b_active_s": 2.0},
        {"milestone": "20 % of peak", "a": 1, "b": None, "a_active_s": 4.0, "b_active_s": None},
        {"milestone": "30 % of peak", "a": 2, "b": None, "a_active_s": 6.0, "b_active_s": None},
    ]


def test_the_page_says_when_each_milestone_was_reached(climb):
    page = runs_diff_text(runs_diff(climb("night", 0.05, 0.22), climb("other", 0.12)))
    (row,) = [line for line in page.splitlines() if line.startswith("20 % of peak")]
    assert row.split("  ", 1)[1].strip().split("  ") == ["1 (0:04)", "never"]


@pytest.mark.parametrize("tenths", range(1, 11))
def test_a_run_that_reaches_a_milestone_exactly_has_reached_it(climb, tenths):
    milestones = runs_diff(climb("night", tenths / 10), climb("other")).milestones
    assert milestones[-1] == Milestone(f"{10 * tenths} % of peak", 0, None, 2.0, None)


def test_the_first_divergence_is_the_first_attempt_whose_candidates_differ(climb):
    a = climb("night", 0.1, 0.2, 0.3, sources=("int a;", "int b;", "int c;"))
    b = climb("other", 0.1, 0.2, 0.3, sources=("int a;", "int x;", "int c;"))
    assert runs_diff(a, b).first_divergence == 1
    page = runs_diff_text(runs_diff(a, b))
    assert "first difference at ask 1: the candidate\nnight:  [1/10]  passed" in page
    assert "\nother:  [1/10]  passed" in page
    assert "\n-int b;\n+int x;\nboth attempts in full: kernelsmith diff night:1 other:1\n" in page


def test_the_knob_values_that_differ_first_are_named_instead_of_the_source(attempt_with, history_with, json_of):
    a = history_with(attempt_with(0, utilization=0.1, source="int a;", params={"family": "tiled", "ROWS": 4}))
    b = history_with(attempt_with(0, utilization=0.1, source="int b;", params={"family": "tiled", "ROWS": 6}), name="o")
    page = runs_diff_text(runs_diff(a, b))
    assert "first difference at ask 0: the candidate\n           night  o\nknob ROWS  4      6\n" in page
    assert "int a;" not in page
    difference = json_of(runs_diff(a, b))["first_difference"]
    assert (difference["aspects"], difference["knobs"]) == (["candidate"], {"ROWS": [4, 6]})
    assert difference["source"][-2:] == ["-int a;", "+int b;"]


def test_a_directive_and_a_parent_that_differ_first_are_named(attempt_with, history_with):
    refined = attempt_with(1, utilization=0.1, parent=0, source="int a;")
    asked = Ask(1, Directive(Stance.DIAGNOSE, 0, "no duel won for 3 asks"))
    moved = attempt_with(1, utilization=0.1, parent=None, source="int a;")
    pages = [
        runs_diff_text(runs_diff(history_with(refined), history_with(attempt, name="other")))
        for attempt in (replace(refined, ask=asked), moved)
    ]
    assert "first difference at ask 1: the directive\n" in pages[0]
    assert "stance  refine                  diagnose\n" in pages[0]
    assert "reason  no duel won for 8 asks  no duel won for 3 asks\n" in pages[0]
    assert "first difference at ask 1: the parent\n        night  other\nparent  0      -\n" in pages[1]


def test_a_verdict_that_differs_before_any_candidate_is_named(attempt_with, history_with):
    failed = attempt_with(0, status=Status.CRASHED, detail="SIGSEGV")
    a = history_with(attempt_with(0, utilization=0.1), attempt_with(1, utilization=0.2, source="int a;"))
    b = history_with(failed, attempt_with(1, utilization=0.2, source="int b;"), name="other")
    page = runs_diff_text(runs_diff(a, b))
    assert "first difference at ask 0: the verdict only; the candidates differ since attempt 1\n" in page
    assert "other:  [0/10]  crashed  refine  SIGSEGV\n" in page
    assert runs_diff(a, b).first_divergence == 1
    same = runs_diff_text(runs_diff(history_with(failed), history_with(attempt_with(0, utilization=0.1))))
    assert "the verdict only; the candidates never differ" in same


def test_a_long_source_diff_is_shortened_and_the_command_for_all_of_it_is_named(attempt_with, history_with):
    a = history_with(attempt_with(0, utilization=0.1, source="\n".join(f"int a{n};" for n in range(40))))
    b = history_with(attempt_with(0, utilization=0.1, source="\n".join(f"int b{n};" for n in range(40))), name="other")
    page = runs_diff_text(runs_diff(a, b), options=" --db x.db", program=".venv/bin/kernelsmith")
    assert "-int a8;\n... 71 more lines\n" in page
    assert "both attempts in full: .venv/bin/kernelsmith diff night:0 other:0 --db x.db" in page


@pytest.mark.parametrize("width", [60, 80, 140])
def test_no_line_of_figures_is_longer_than_the_terminal_is_wide(climb, width):
    a, b = climb("night", 0.1, 0.2, model="m" * 200), climb("other", 0.4)
    page = runs_diff_text(runs_diff(a, b), width=width)
    assert max(len(line) for line in page.splitlines() if "kernelsmith diff" not in line) <= width
    assert "m" * 200 in runs_diff_text(runs_diff(a, b))


def test_an_answer_without_a_candidate_differs_from_a_candidate(attempt_with, history_with):
    silent = attempt_with(0, status=Status.NO_CANDIDATE, detail="no fenced block")
    a, b = history_with(silent), history_with(attempt_with(0, utilization=0.1), name="other")
    assert runs_diff(a, b).first_divergence == 0
    assert runs_diff(a, a).first_divergence is None


def test_a_run_that_begins_with_all_of_another_has_not_diverged(climb):
    a, b = climb("night", 0.1, 0.2), climb("other", 0.1, 0.2, 0.3)
    assert runs_diff(a, b).first_divergence is None
    assert "no difference in the first 2 attempts: the same asks, candidates and statuses" in runs_diff_text(
        runs_diff(a, b)
    )


def test_only_settings_that_differ_are_shown(climb, json_of):
    a, b = climb("night", 0.1, seed=1), climb("other", 0.1, seed=2, budget=Budget(attempts=20))
    assert json_of(runs_diff(a, b))["configuration"] == {"seed": [1, 2], "budget.attempts": [10, 20]}
    rows = [line.split() for line in runs_diff_text(runs_diff(a, b)).splitlines()[:3]]
    assert rows == [["night", "other"], ["seed", "1", "2"], ["budget.attempts", "10", "20"]]


def test_a_budget_counts_with_its_extensions(climb, night):
    extended = Event(EventKind.EXTENSION, night().run.created_at, data={"attempts": 30})
    a, b = climb("night", 0.1), climb("other", 0.1, events=(extended,))
    assert runs_diff(a, b).configuration == {"budget.attempts": (10, 30)}


def test_identical_configurations_say_so(climb):
    assert runs_diff_text(runs_diff(climb("night", 0.1), climb("other", 0.2))).startswith(
        "the configurations are identical\n"
    )


@pytest.fixture
def made_with(climb):
    """A run with this provenance."""

    def build(name: str, **provenance) -> History:
        history = climb(name, 0.1)
        return replace(history, run=replace(history.run, provenance=Provenance(**provenance)))

    return build


def test_other_programs_harnesses_and_templates_are_named(made_with, json_of):
    a = made_with("night", program="0.2.0+aaaa", harness_digest="a" * 64, templates_digest="c" * 64)
    b = made_with("other", program="0.2.0+bbbb", harness_digest="b" * 64, templates_digest="d" * 64)
    assert json_of(runs_diff(a, b))["provenance"] == {
        "program": ["0.2.0+aaaa", "0.2.0+bbbb"],
        "harness_digest": ["a" * 64, "b" * 64],
        "templates_digest": ["c" * 64, "d" * 64],
        "timing_policy": {},
    }
    page = runs_diff_text(runs_diff(a, b))
    rows = [line.split("  ") for line in page.split("\n\n")[1].splitlines()]
    assert [[cell.strip() for cell in row if cell.strip()] for row in rows] == [
        ["made with", "night", "other"],
        ["program", "0.2.0+aaaa", "0.2.0+bbbb"],
        ["harness digest", "a" * 12, "b" * 12],
        ["templates digest", "c" * 12, "d" * 12],
    ]


def test_the_keys_of_the_timing_policy_that_differ_are_named(made_with, json_of):
    a = made_with("night", timing_policy={"batches": 8, "duel": {"margin": 1.01, "quads": 24}})
    b = made_with("other", timing_policy={"batches": 8, "duel": {"margin": 1.02, "quads": 24}, "idle_ms": 100})
    assert json_of(runs_diff(a, b))["provenance"]["timing_policy"] == {
        "duel.margin": [1.01, 1.02],
        "idle_ms": [None, 100],
    }
    page = " ".join(runs_diff_text(runs_diff(a, b)).split())
    assert "timing policy duel.margin 1.01 1.02 timing policy idle_ms not recorded 100" in page
    assert "quads" not in page


def test_an_old_log_that_holds_no_provenance_says_so(made_with):
    page = " ".join(runs_diff_text(runs_diff(made_with("night"), made_with("other", program="0.2.0+bbbb"))).split())
    assert "program not recorded 0.2.0+bbbb" in page


def test_runs_made_with_the_same_program_and_rules_say_nothing_of_them(made_with):
    same = made_with("night", program="0.2.0+aaaa", timing_policy={"batches": 8})
    assert "made with" not in runs_diff_text(runs_diff(same, same))


def test_attempts_are_found_by_number_and_not_by_place(attempt_with, history_with):
    a = history_with(attempt_with(3, utilization=0.1, promotion=Promotion.FIRST), attempt_with(9, utilization=0.2))
    b = history_with(attempt_with(3, utilization=0.1, promotion=Promotion.FIRST, source="int b;"), name="other")
    report = runs_diff(a, b)
    assert report.first_divergence == 3
    assert (report.milestones[0].a, report.milestones[0].a_active_s) == (3, 2.0)


def test_best_is_set_against_best_with_its_denominators(climb, json_of):
    a, b = climb("night", 0.1, 0.2), climb("other", 0.4)
    page = runs_diff_text(runs_diff(a, b))
    assert "best against best, other over night: 2.00x the speed; the 95 % intervals do not overlap" in page
    assert "night:1  [1/10]  passed  refine  20.0 % of peak  25.0 % of OpenBLAS (Test)  100 ms" in page
    best = json_of(runs_diff(a, b))["best"]
    assert [(best[side]["number"], best[side]["utilization"]) for side in "ab"] == [(1, 0.2), (0, 0.4)]


def test_runs_with_different_peaks_say_so(climb, cpu_device):
    a = climb("night", 0.4)
    b = climb("other", 0.4, peak=200e9, device=replace(cpu_device, name="Faster CPU", peak=200e9))
    page = runs_diff_text(runs_diff(a, b))
    assert "; peaks 100 GFLOP/s fp32 and 200 GFLOP/s fp32" in page
    assert runs_diff(a, b).configuration["peak"] == ("100 GFLOP/s fp32", "200 GFLOP/s fp32")
    assert runs_diff(a, b).configuration["device"] == ("Test CPU", "Faster CPU")
    assert "peaks" not in runs_diff_text(runs_diff(a, a))


def test_a_run_in_which_nothing_passed_can_be_compared(climb, attempt_with, history_with, json_of):
    a, b = climb("night", 0.4), history_with(attempt_with(0, status=Status.INCORRECT), name="other")
    assert "no candidate has passed in other" in runs_diff_text(runs_diff(a, b))
    assert "no candidate has passed in other and other" in runs_diff_text(runs_diff(b, b))
    assert json_of(runs_diff(a, b))["best"]["b"] is None


def test_runs_that_have_not_begun_can_be_compared(history_with, json_of):
    a, b = history_with(device=None), history_with(device=None, name="other")
    assert runs_diff_text(runs_diff(a, b)) == (
        "the configurations are identical\n\nno attempts to compare\n\nno candidate has passed in night and other"
    )
    assert json_of(runs_diff(a, b))["milestones"] == []


def test_control_characters_do_not_reach_the_terminal(attempt_with, history_with, hostile, assert_harmless):
    a = history_with(attempt_with(0, status=Status.BUILD_FAILED, detail=hostile))
    b = history_with(attempt_with(0, status=Status.CRASHED, source="int b;"), name="other", model=hostile)
    page = runs_diff_text(runs_diff(a, b))
    assert_harmless(page)
    assert page.count("\\x1b[2J") == 2
