"""The view of a run without a terminal: one line an attempt on stderr."""

from kernelsmith.cli import terminal
from kernelsmith.core.attempt import Ask, Attempt
from kernelsmith.core.history import History
from kernelsmith.report.attempt_line import attempt_line
from kernelsmith.report.model_attempt import attempt_row


class LineView:
    """An observer whose output a log file or a pipe can hold."""

    def __init__(self) -> None:
        self._history: History | None = None

    def history(self, history: History) -> None:
        """Keep the denominators of the next line."""
        self._history = history

    def asked(self, ask: Ask) -> None:
        """Show nothing: the stance stands in the attempt's line."""

    def attempted(self, attempt: Attempt) -> None:
        """Show the line."""
        device = self._history.device_of(attempt) if self._history else None
        limit = self._history.budget.attempts if self._history else None
        terminal.progress(attempt_line(attempt_row(attempt, device), limit=limit))

    def stage(self, stage: str, step: str = "") -> None:
        """Show nothing: there is one line an attempt."""

    def say(self, text: str) -> None:
        """Show one line as it is."""
        terminal.progress(text)
