"""The view of a run on a terminal: budget, best, staircase, last attempts, and what happens now, redrawn in place.

Whatever a candidate or a model wrote is shown as Text, which knows no markup, and on one line without controls.
"""

import time
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kernelsmith.core.attempt import Ask, Attempt
from kernelsmith.core.history import History
from kernelsmith.core.verdict import Status
from kernelsmith.report import figures
from kernelsmith.report.model import climb
from kernelsmith.report.text import one_line

ROWS = 8
REDRAWS_PER_S = 4.0
"""Few: the view must not compete with the judge for the core beside the worker's."""
COLOURS = {Status.PASSED: "green", Status.NO_CANDIDATE: "yellow", Status.REJECTED: "yellow", Status.TAMPERED: "magenta"}


class LiveView:
    """An observer for a terminal; a context manager, which gives the terminal back as it was."""

    def __init__(self, console: Console, *, suffix: str = "") -> None:
        self._suffix = suffix
        self._history: History | None = None
        self._ask: Ask | None = None
        self._stage = ""
        self._since = time.monotonic()
        self._live = Live(
            get_renderable=self.render, console=console, refresh_per_second=REDRAWS_PER_S, redirect_stdout=False
        )

    def __enter__(self) -> "LiveView":
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._stage = ""
        self._live.stop()

    def history(self, history: History) -> None:
        """Show the run as it stands."""
        self._history = history

    def asked(self, ask: Ask) -> None:
        """Show the next directive."""
        self._ask = ask
        self._step("proposing")

    def attempted(self, attempt: Attempt) -> None:
        """Show nothing yet: the history that follows holds the attempt."""
        self._step("")

    def stage(self, stage: str) -> None:
        """Show what the harness does now."""
        self._step(stage)

    def say(self, text: str) -> None:
        """Show one line above the view."""
        self._live.console.print(Text(one_line(text)))

    def render(self) -> RenderableType:
        """Return the view as it is to be drawn now."""
        if self._history is None:
            return Text(one_line(f"{self._stage or 'opening'} {self._elapsed()}"))
        history, title = self._history, _title(self._history, self._suffix)
        return Group(_head(title, history), _spent(history), _best(history), _last(history), self._now())

    def _step(self, stage: str) -> None:
        self._stage = stage
        self._since = time.monotonic()

    def _elapsed(self) -> str:
        return figures.clock(time.monotonic() - self._since)

    def _now(self) -> Text:
        if not self._stage:
            return Text("")
        stance = f"{self._ask.number} {self._ask.directive.stance}: " if self._ask else ""
        why = f" ({self._ask.directive.reason})" if self._ask and self._ask.directive.reason else ""
        return Text(one_line(f"now {stance}{self._stage} {self._elapsed()}{why}"), style="cyan", no_wrap=True)


def _title(history: History, suffix: str) -> str:
    """Return `cpu_matmul · night · tuner`; `suffix` takes the proposer's place where it is given."""
    config = history.run.config
    return f"{Path(config.task).name} · {history.run.name} · {suffix or config.proposer}"


def _head(title: str, history: History) -> Text:
    device = history.device
    if device is None:
        return Text(one_line(title), style="bold")
    vendor = f" · {device.vendor.name} {figures.percent(device.vendor.utilization)}" if device.vendor else ""
    return Text.assemble(
        (one_line(title), "bold"),
        " · ",
        one_line(f"{device.name} · peak {figures.rate(device.peak, device.unit)}{vendor}"),
    )


def _spent(history: History) -> Table:
    """Return a bar against the limit that is nearest, with the spent amounts beside it."""
    budget, asks = history.budget, history.answered
    parts = [asks / budget.attempts] if budget.attempts else []
    parts += [history.active_s / 3600 / budget.hours] if budget.hours else []
    parts += [(history.usage.cost_usd or 0) / budget.usd] if budget.usd else []
    words = [figures.spent(asks, budget.attempts, "ask"), figures.clock(history.active_s)]
    words += [f"of {budget.hours:g} h"] if budget.hours else []
    words += [figures.cost(history.usage.cost_usd) + (f" of ${budget.usd:g}" if budget.usd else "")]
    row = Table.grid(padding=(0, 2))
    row.add_row(ProgressBar(total=1.0, completed=min(max(parts), 1.0), width=30), Text("  ".join(words)))
    return row


def _best(history: History) -> RenderableType:
    best = history.incumbent
    if best is None or best.verdict.measurement is None:
        return Text("best  none yet")
    found = best.verdict.measurement
    words = [f"{figures.percent(found.utilization)} of peak", figures.of_vendor(best.verdict, history.device_of(best))]
    words += [figures.interval(found), f"attempt {best.number}"]
    shown = one_line(" · ".join(word for word in words if word))
    line = Text.assemble("best  ", (shown, "bold green"))
    return Group(line, Text(f"      {figures.staircase(climb(history.attempts))}", style="green", no_wrap=True))


def _last(history: History) -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for attempt in history.attempts[-ROWS:]:
        verdict = attempt.verdict
        style = COLOURS.get(verdict.status, "red") + (" bold" if verdict.promotion else "")
        table.add_row(
            Text(str(attempt.number)),
            Text(verdict.status, style=style),
            Text(figures.percent(verdict.utilization)),
            Text(attempt.stance),
            Text(figures.reason(verdict)),
        )
    return table
