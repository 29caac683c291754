"""Draws a run that goes on, with the library rich: budget, best attempt, a bar chart of the best utilization over the
attempts, and the latest attempts.

A text of a candidate or a model becomes one line of rich's Text, in which markup and control characters have no effect.
"""

from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kernelsmith.report import figures
from kernelsmith.report.attempt_line import vendor_share
from kernelsmith.report.attempts_table import LIVE_HEADINGS, attempts_table
from kernelsmith.report.model_live import LiveReport
from kernelsmith.report.styles import GREEN, status_style
from kernelsmith.report.text import one_line


@dataclass(frozen=True, slots=True)
class Clocks:
    """Two times in seconds that the live view of a run counts up between two attempts: since the start of the attempt
    in flight, and the time that this process has worked on the run. The live view makes it for each drawing.
    """

    attempt_s: float
    """Seconds since the attempt in flight began; 0 if none is in flight."""
    session_s: float
    """Seconds since this process began to work on the run."""


def live_page(report: LiveReport, now: Text, *, suffix: str = "", clocks: Clocks | None = None) -> RenderableType:
    """Return the view of a run that goes on as an object that the library rich draws on a terminal. `report` is the run
    at this moment, and `now` the last line, which says what happens. A `suffix` that is not empty replaces the
    proposer's name in the title, and `clocks` adds the times that grow; None shows the time of the recorded attempts
    only.
    """
    title = one_line(f"{report.task} · {report.run} · {suffix or report.proposer}")
    return Group(_head(report, title), _spent(report, clocks), _best(report), _latest(report), now)


def _head(report: LiveReport, title: str) -> Text:
    device = report.device
    if device is None:
        return Text(title, style="bold")
    vendor = f" · {device.vendor.name} {figures.percent(device.vendor.utilization)}" if device.vendor else ""
    about = one_line(f"{device.name} · peak {figures.rate(device.peak, device.unit)}{vendor}")
    return Text.assemble((title, "bold"), " · ", about)


def _spent(report: LiveReport, clocks: Clocks | None) -> Table:
    """Return a table of one row: a bar that shows which part of the budget is used up, for the limit (asks, hours or
    USD) that is nearest, and the amounts spent in words. `clocks` adds the time of the attempt in flight; None leaves
    it out.
    """
    budget, outcome = report.budget, report.outcome
    working_s = outcome.active_s + (clocks.attempt_s if clocks else 0.0)
    parts = [outcome.asks / budget.attempts] if budget.attempts else []
    parts += [working_s / 3600 / budget.hours] if budget.hours else []
    parts += [(outcome.cost_usd or 0) / budget.usd] if budget.usd else []
    words = [figures.spent(outcome.asks, budget.attempts, "ask")]
    words += [f"{figures.clock(working_s)}{f' of {budget.hours:g} h' if budget.hours else ''} working"]
    words += [f"{figures.clock(clocks.session_s)} since start"] if clocks else []
    words += [figures.cost(outcome.cost_usd) + (f" of ${budget.usd:g}" if budget.usd else "")]
    row = Table.grid(padding=(0, 2))
    row.add_row(ProgressBar(total=1.0, completed=min(max(parts), 1.0), width=30), Text("  ".join(words)))
    return row


def _best(report: LiveReport) -> RenderableType:
    best = report.outcome.best
    measured = best.verdict.measurement if best else None
    if best is None or measured is None:
        return Text("best  none yet")
    words = [f"{figures.percent(measured.utilization)} of peak", vendor_share(best)]
    words += [figures.interval(measured), f"attempt {best.number}"]
    line = Text.assemble("best  ", (one_line(" · ".join(word for word in words if word)), f"bold {GREEN}"))
    return Group(line, Text(f"      {figures.staircase(report.outcome.climb)}", style=GREEN, no_wrap=True))


def _latest(report: LiveReport) -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    for justify in ("right", "left", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    headings, *rows = attempts_table(report.latest, LIVE_HEADINGS)
    if rows:
        table.add_row(*map(Text, headings))
    for attempt, (number, status, *cells) in zip(report.latest, rows, strict=True):
        table.add_row(Text(number), Text(status, style=status_style(attempt)), *map(Text, cells))
    return table
