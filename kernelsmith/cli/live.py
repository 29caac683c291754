"""The view of a run on a terminal: the run as it stands and what happens now, redrawn in place."""

import time
from types import TracebackType

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from kernelsmith.core.attempt import Ask, Attempt
from kernelsmith.core.history import History
from kernelsmith.report import figures
from kernelsmith.report.live_page import live_page
from kernelsmith.report.model_live import LiveReport, live_report
from kernelsmith.report.text import one_line

REDRAWS_PER_S = 4.0
"""Few: the view must not compete with the judge for the core beside the worker's."""


class LiveView:
    """An observer for a terminal; a context manager, which gives the terminal back as it was."""

    def __init__(self, console: Console, *, suffix: str = "") -> None:
        self._suffix = suffix
        self._report: LiveReport | None = None
        self._ask: Ask | None = None
        self._stage, self._detail = "", ""
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
        self._report = live_report(history)

    def asked(self, ask: Ask) -> None:
        """Show the next directive."""
        self._ask = ask
        self._begin("proposing")

    def attempted(self, attempt: Attempt) -> None:
        """Show nothing yet: the history that follows holds the attempt."""
        self._begin("")

    def stage(self, stage: str, step: str = "") -> None:
        """Show what the harness does now; the clock of a stage goes on through its steps."""
        if not step or stage != self._stage:
            self._begin(stage)
        self._detail = step

    def say(self, text: str) -> None:
        """Show one line above the view."""
        self._live.console.print(Text(one_line(text)))

    def render(self) -> RenderableType:
        """Return the view as it is to be drawn now."""
        if self._report is None:
            return Text(one_line(self._doing() or f"opening {self._elapsed()}"))
        return live_page(self._report, self._now(), suffix=self._suffix)

    def _begin(self, stage: str) -> None:
        self._stage, self._detail = stage, ""
        self._since = time.monotonic()

    def _elapsed(self) -> str:
        return figures.clock(time.monotonic() - self._since)

    def _doing(self) -> str:
        """Return the stage with its time and its step; empty between two stages."""
        words = f"{self._stage} {self._elapsed()}" if self._stage else ""
        return f"{words} · {self._detail}" if self._detail else words

    def _now(self) -> Text:
        if not self._stage:
            return Text("")
        stance = f"{self._ask.number} {self._ask.directive.stance}: " if self._ask else ""
        why = f" ({self._ask.directive.reason})" if self._ask and self._ask.directive.reason else ""
        return Text(one_line(f"now {stance}{self._doing()}{why}"), style="cyan", no_wrap=True)
