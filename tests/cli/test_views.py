"""What a run shows while it goes on: every figure with its denominator, and nothing that a candidate could abuse."""

import io

import pytest
from rich.console import Console

from kernelsmith.cli import terminal
from kernelsmith.cli.lines import LineView
from kernelsmith.cli.live import LiveView
from kernelsmith.core.run import Budget
from kernelsmith.core.verdict import Figure, Promotion, Status
from kernelsmith.report.model import summary_report
from kernelsmith.report.summary import summary_text

HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]error[/bold red] [/nonsense] \u202eevil\r\n" + "x" * 500


@pytest.fixture
def screen_of():
    """Draw a view of a history once, as on a terminal of 100 columns; the text without styles."""

    def draw(history, *, ask=None, stage: str = "", step: str = "") -> str:
        console = Console(file=io.StringIO(), width=100, height=40, force_terminal=True, color_system=None)
        view = LiveView(console)
        view.history(history)
        if ask:
            view.asked(ask)
        view.stage(stage, step)
        console.print(view.render())
        return console.file.getvalue()

    return draw


def test_the_live_view_shows_budget_best_vendor_share_staircase_and_last_attempts(
    screen_of, attempt_with, history_with
):
    history = history_with(
        attempt_with(0, status=Status.INCORRECT, detail="worst element C[3,4]: 1.0, not 2.0"),
        attempt_with(1, utilization=0.2, promotion=Promotion.FIRST),
        attempt_with(2, utilization=0.4, promotion=Promotion.CLEAR),
    )
    screen = screen_of(history)
    assert "3 of 10 asks" in screen
    assert "40.0 % of peak · 50.0 % of OpenBLAS (Test) · 50.0 ms [49.5 ms, 50.5 ms] · attempt 2" in screen
    assert "▅█" in screen
    assert "worst element C[3,4]: 1.0, not 2.0" in screen
    assert "peak 100 GFLOP/s fp32" in screen


def test_a_long_detail_is_cut_and_leaves_the_other_columns_alone(screen_of, attempt_with, history_with):
    screen = screen_of(history_with(attempt_with(0, status=Status.BUILD_FAILED, detail="expected a bracket " * 30)))
    assert "0  build_failed" in screen
    assert "refine  expected a bracket" in screen
    assert "…" in screen


def test_the_live_view_says_stance_and_stage_in_progress(screen_of, attempt_with, history_with):
    asked = attempt_with(7, utilization=0.5).ask
    screen = screen_of(history_with(), ask=asked, stage="timing")
    assert "now 7 refine: timing for 0 s (no duel won for 8 asks)" in screen


def test_a_long_stage_shows_its_step_and_its_clock_goes_on(attempt_with, history_with, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("kernelsmith.cli.live.time.monotonic", lambda: now[0])
    console = Console(file=io.StringIO(), width=100, height=40, force_terminal=True, color_system=None)
    view = LiveView(console)

    def shown(*told: str) -> str:
        view.stage(*told)
        now[0] += 60
        console.file = io.StringIO()
        console.print(view.render())
        return console.file.getvalue()

    assert "calibration for 2 min 0 s · vendor, 1 of 3" in shown("calibration") + shown("calibration", "vendor, 1 of 3")
    view.history(history_with())
    view.asked(attempt_with(7, utilization=0.5).ask)
    assert "now 7 refine: correctness for 1 min 0 s · case wide, 3 of 5 (no duel" in shown(
        "correctness", "case wide, 3 of 5"
    )
    assert "now 7 refine: correctness for 2 min 0 s · case odd, 4 of 5" in shown("correctness", "case odd, 4 of 5")
    assert "now 7 refine: timing for 1 min 0 s (no duel" in shown("timing")


def test_the_clocks_of_the_live_view_run_on_during_an_attempt(attempt_with, history_with, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("kernelsmith.cli.live.time.monotonic", lambda: now[0])
    console = Console(file=io.StringIO(), width=120, height=40, force_terminal=True, color_system=None)
    view = LiveView(console)
    view.history(history_with(attempt_with(0, utilization=0.1, promotion=Promotion.FIRST)))
    now[0] = 30.0  # the judge was opened
    view.asked(attempt_with(1, utilization=0.5).ask)
    now[0] = 42.0
    console.print(view.render())
    screen = console.file.getvalue()
    assert "1 of 10 asks  0:14 working  0:42 since start" in screen
    assert "proposing for 12 s" in screen


def test_a_replay_shows_no_clock_that_runs_on(attempt_with, history_with):
    console = Console(file=io.StringIO(), width=120, height=40, force_terminal=True, color_system=None)
    view = LiveView(console, is_replay=True)
    view.history(history_with(attempt_with(0, utilization=0.1, promotion=Promotion.FIRST)))
    console.print(view.render())
    assert "0:02 working  $0.00" in console.file.getvalue()


def test_a_wait_says_what_for_and_how_long_on_a_terminal(screen_of, attempt_with, history_with):
    asked = attempt_with(7, utilization=0.5).ask
    screen = screen_of(history_with(), ask=asked, stage="waiting", step="for the CPU, held by run other, pid 7")
    assert "now 7 refine: waiting for the CPU, held by run other, pid 7 · 0 s so far" in screen


def test_without_a_terminal_a_wait_is_one_line_which_is_not_repeated(capsys):
    lines = LineView()
    for holder in ("run other, pid 7", "run other, pid 7", "pid 8"):
        lines.stage("waiting", f"for the CPU, held by {holder}")
        lines.stage("timing")
    terminal.stage("waiting", "for GPU 0, held by pid 9")
    assert capsys.readouterr().err.splitlines() == [
        "waiting for the CPU, held by run other, pid 7",
        "waiting for the CPU, held by pid 8",
        "waiting for GPU 0, held by pid 9",
    ]


def test_on_a_pipe_a_judgement_shows_a_line_for_each_step(capsys):
    terminal.stage("correctness", "")
    terminal.stage("correctness", "case wide, 3 of 5")
    assert capsys.readouterr().err.splitlines() == ["correctness", "correctness: case wide, 3 of 5"]


@pytest.mark.parametrize("budget", [Budget(attempts=None, hours=2.0), Budget(attempts=None, usd=3.0), Budget()])
def test_the_live_view_knows_every_kind_of_budget(screen_of, attempt_with, history_with, budget):
    screen = screen_of(history_with(attempt_with(0, utilization=0.1, promotion=Promotion.FIRST), budget=budget))
    said = {"hours": "of 2 h", "usd": "of $3", "attempts": "1 of 60 asks"}
    assert said[next(key for key in said if getattr(budget, key))] in screen


def test_what_a_candidate_wrote_cannot_reach_the_terminal_as_control_or_markup(screen_of, attempt_with, history_with):
    screen = screen_of(history_with(attempt_with(0, status=Status.BUILD_FAILED, detail=HOSTILE)))
    assert "[bold red]error[/bold red]" in screen
    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(screen)


def test_without_a_terminal_an_attempt_is_one_line(capsys, attempt_with, history_with):
    lines = LineView()
    lines.history(history_with())
    lines.attempted(attempt_with(0, status=Status.BUILD_FAILED, detail=HOSTILE))
    lines.attempted(attempt_with(1, utilization=0.4, promotion=Promotion.FIRST))
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 2
    assert "\x1b" not in shown[0]
    assert shown[1] == (
        "[1/10]  passed  refine  40.0 % of peak  50.0 % of OpenBLAS (Test)  50.0 ms  new best: the first that passes"
    )


@pytest.mark.parametrize(("disturbed", "mark"), [((), ""), ((Figure.VENDOR,), " (disturbed)")])
def test_a_vendor_ratio_that_was_disturbed_carries_a_mark_wherever_it_is_shown(
    screen_of, capsys, attempt_with, history_with, disturbed, mark
):
    best = attempt_with(0, utilization=0.4, promotion=Promotion.FIRST, disturbed=disturbed)
    history = history_with(best)
    lines = LineView()
    lines.history(history)
    lines.attempted(best)
    for shown in (capsys.readouterr().err, screen_of(history), summary_text(summary_report(history))):
        assert f"50.0 % of OpenBLAS (Test){mark} " in shown.replace("\n", " ")


def test_the_summary_compares_the_best_with_the_attempt_that_it_was_made_from(attempt_with, history_with):
    history = history_with(
        attempt_with(0, utilization=0.1, promotion=Promotion.FIRST),
        attempt_with(1, utilization=0.2, promotion=Promotion.CLEAR, parent=0),
        attempt_with(2, utilization=0.4, promotion=Promotion.CLEAR, parent=1),
    )
    said = summary_text(summary_report(history), options=" --db here.db")
    assert said.endswith("kernelsmith diff night:1 night:2 --db here.db")


def test_a_best_without_a_parent_is_compared_with_nothing(attempt_with, history_with):
    said = summary_text(summary_report(history_with(attempt_with(0, utilization=0.1, promotion=Promotion.FIRST))))
    assert "kernelsmith diff" not in said
