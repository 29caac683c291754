"""The view of a run without a terminal: on stderr one line for each attempt, and one for each wait."""

from kernelsmith.cli import terminal
from kernelsmith.core.attempt import Ask, Attempt
from kernelsmith.core.history import History
from kernelsmith.core.seams import WAITING
from kernelsmith.report.attempt_line import attempt_line
from kernelsmith.report.model_attempt import attempt_row


class LineView:
    """An observer that prints lines, for a log file or a pipe."""

    def __init__(self) -> None:
        self._history: History | None = None
        self._last_wait = ""

    def history(self, history: History) -> None:
        """Keep the history: it holds the peak and the limit that the next attempt's line names."""
        self._history = history

    def asked(self, ask: Ask) -> None:
        """Print nothing: the attempt's line names the stance."""

    def attempted(self, attempt: Attempt) -> None:
        """Print one line: the attempt's number, status and stance, how fast it is, and the reason of its status."""
        device = self._history.device_of(attempt) if self._history else None
        limit = self._history.budget.attempts if self._history else None
        terminal.progress(attempt_line(attempt_row(attempt, device), limit=limit))

    def stage(self, stage: str, step: str = "") -> None:
        """Print what the run waits for, unless the last wait printed the same line; print nothing for other stages.

        Two runs that share a device wait for each other at every attempt.
        """
        if stage == WAITING and step != self._last_wait:
            self._last_wait = step
            terminal.stage(stage, step)

    def say(self, text: str) -> None:
        """Print a line for the user."""
        terminal.progress(text)
