"""The table of attempts: headings with units, and the same words on the page of a run and in its live view."""

import io

from rich.console import Console
from rich.text import Text

from kernelsmith.core.run import RunStatus
from kernelsmith.core.verdict import Promotion, Status
from kernelsmith.report.attempts_table import CELLS, LIVE_HEADINGS, RUN_HEADINGS, SWEEP_HEADINGS, attempts_table
from kernelsmith.report.live_page import live_page
from kernelsmith.report.model import run_report
from kernelsmith.report.model_attempt import attempt_row
from kernelsmith.report.model_live import live_report
from kernelsmith.report.run_page import run_text


def test_each_column_has_its_heading_and_its_cell(attempt_with):
    attempt = attempt_row(attempt_with(7, utilization=0.4, promotion=Promotion.FIRST, parent=3), None)
    assert attempts_table([attempt], RUN_HEADINGS) == [
        RUN_HEADINGS,
        ("7", "3", "refine", "passed", "40.0", "50.0 ms", "new best: the first that passes"),
    ]


def test_an_attempt_that_failed_has_empty_figures(attempt_with):
    attempt = attempt_row(attempt_with(0, status=Status.CRASHED, detail="SIGSEGV"), None)
    assert attempts_table([attempt], RUN_HEADINGS)[1] == ("0", "", "refine", "crashed", "", "", "SIGSEGV")


def test_the_page_and_the_live_view_have_the_same_headings(night):
    assert {*RUN_HEADINGS, *SWEEP_HEADINGS, *LIVE_HEADINGS} == set(CELLS)
    page = run_text(run_report(night(), RunStatus.ENDED))
    assert "#  from  stance  status        % peak  time/call  result" in page
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    console.print(live_page(live_report(night()), Text("")))
    headings = next(line for line in console.file.getvalue().splitlines() if line.startswith("#"))
    assert " ".join(headings.split()) == "# status % peak stance result"
