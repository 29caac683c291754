"""The view of a run without a terminal: prints on stderr one line for each attempt, and one for each wait."""

from kernelsmith.cli import terminal
from kernelsmith.core.attempt import Ask, Attempt
from kernelsmith.core.history import History
from kernelsmith.core.seams import WAITING
from kernelsmith.report.attempt_line import attempt_line
from kernelsmith.report.model_attempt import attempt_row


class LineView:
    """An observer that prints the progress of a run as lines on stderr, when that is a log file or a pipe. It keeps the
    latest history, for the figures in a line, and the latest wait, to print it once.
    """

    def __init__(self) -> None:
        self._history: History | None = None
        self._last_wait = ""

    def history(self, history: History) -> None:
        """Keep the run's history, which holds the device and the limit of asks that the next attempt's line names.
        Print nothing.
        """
        self._history = history

    def asked(self, ask: Ask) -> None:
        """Ignore a new ask (a numbered request for a candidate), because the line of its attempt describes it."""

    def attempted(self, attempt: Attempt) -> None:
        """Print one line on stderr about an attempt after it was recorded: its number, status, stance (kind of step),
        speed, and the reason of its status.
        """
        device = self._history.device_of(attempt) if self._history else None
        limit = self._history.budget.attempts if self._history else None
        terminal.progress(attempt_line(attempt_row(attempt, device), limit=limit))

    def stage(self, stage: str, step: str = "") -> None:
        """Print one line about what the run waits for if `stage` is `waiting`, unless the last wait printed the same
        line. `step` names the awaited thing, such as a device that another run holds. Other stages print nothing.

        Two runs that share a device wait for each other at every attempt.
        """
        if stage == WAITING and step != self._last_wait:
            self._last_wait = step
            terminal.stage(stage, step)

    def say(self, text: str) -> None:
        """Print one line of text for the user on stderr."""
        terminal.progress(text)
