"""The view of a run on a terminal: draws the budget, the best and latest attempts, and what happens now, and redraws
them in place.
"""

import time
from types import TracebackType

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from kernelsmith.core.attempt import Ask, Attempt
from kernelsmith.core.duration import lasting
from kernelsmith.core.history import History
from kernelsmith.core.seams import PROPOSING, WAITING
from kernelsmith.report.live_page import Clocks, live_page
from kernelsmith.report.model_live import LiveReport, live_report
from kernelsmith.report.text import one_line

REDRAWS_PER_S = 4.0
"""Redraws a second. There are few, because drawing takes time on a core that the judge uses."""


class LiveView:
    """An observer that draws a run on the terminal of `console`, the library rich's access to it; a context manager
    that yields itself and leaves the last drawing on the screen. `suffix` replaces the proposer's name in the title.
    `is_replay` leaves the clocks out, because playing a recorded run back does not take the time that the run took.
    """

    def __init__(self, console: Console, *, suffix: str = "", is_replay: bool = False) -> None:
        self._suffix = suffix
        self._is_replay = is_replay
        self._report: LiveReport | None = None
        self._ask: Ask | None = None
        self._stage, self._detail = "", ""
        self._began = self._stage_began = time.monotonic()
        self._attempt_began: float | None = None
        self._live = Live(
            get_renderable=self.render, console=console, refresh_per_second=REDRAWS_PER_S, redirect_stdout=False
        )

    def __enter__(self) -> "LiveView":
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._stage, self._attempt_began = "", None
        self._live.stop()

    def history(self, history: History) -> None:
        """Keep what the next redraw shows of a run: its budget, best and latest attempts, taken from `history`, which
        the session passes whenever it has read the log.
        """
        self._report = live_report(history)

    def asked(self, ask: Ask) -> None:
        """Show the number, stance (kind of step) and reason of a new ask (a numbered request for a candidate), and
        start the clocks of its attempt.
        """
        self._ask = ask
        self._attempt_began = time.monotonic()
        self._begin(PROPOSING)

    def attempted(self, attempt: Attempt) -> None:
        """Clear the shown stage after an attempt was recorded, and start the clock of the next one. The recorded
        attempt is drawn when the session passes the next history, which holds it.
        """
        # The trials of a sweep follow one another without a new ask, and the time between two belongs to the later one.
        self._attempt_began = time.monotonic()
        self._begin("")

    def stage(self, stage: str, step: str = "") -> None:
        """Show what the harness or the proposer does now: the name of a stage, and of a step within it (empty when the
        stage begins). The clock of a stage runs on while its steps change. May be called from another thread.
        """
        if not step or stage != self._stage or stage == WAITING:
            self._begin(stage)
        self._detail = step

    def say(self, text: str) -> None:
        """Print one line of text for the user above the drawing."""
        self._live.console.print(Text(one_line(text)))

    def render(self) -> RenderableType:
        """Return what the library rich draws at this moment: the run with its clocks and the present stage, or, before
        the first history has arrived, one line that says what happens.
        """
        if self._report is None:
            return Text(one_line(self._doing() or f"opening for {lasting(self._stage_s())}"))
        return live_page(self._report, self._now(), suffix=self._suffix, clocks=self._clocks())

    def _begin(self, stage: str) -> None:
        self._stage, self._detail = stage, ""
        self._stage_began = time.monotonic()

    def _stage_s(self) -> float:
        return time.monotonic() - self._stage_began

    def _clocks(self) -> Clocks | None:
        if self._is_replay:
            return None
        now = time.monotonic()
        attempt_s = now - self._attempt_began if self._attempt_began is not None else 0.0
        return Clocks(attempt_s=attempt_s, session_s=now - self._began)

    def _doing(self) -> str:
        """Return in words the present stage of the work, such as `proposing`, how long it has lasted, and its step; an
        empty string between two stages.
        """
        if self._stage == WAITING:
            return f"{WAITING} {self._detail} · {lasting(self._stage_s())} so far"
        words = f"{self._stage} for {lasting(self._stage_s())}" if self._stage else ""
        return f"{words} · {self._detail}" if self._detail else words

    def _now(self) -> Text:
        if not self._stage:
            return Text("")
        stance = f"{self._ask.number} {self._ask.directive.stance}: " if self._ask else ""
        why = f" ({self._ask.directive.reason})" if self._ask and self._ask.directive.reason else ""
        return Text(one_line(f"now {stance}{self._doing()}{why}"), style="cyan", no_wrap=True)
