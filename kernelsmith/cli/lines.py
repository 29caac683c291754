"""The view of a run without a terminal: one line an attempt on stderr."""

from kernelsmith.cli import terminal
from kernelsmith.core.attempt import Ask, Attempt
from kernelsmith.core.history import History
from kernelsmith.report.attempt_line import attempt_line


class Lines:
    """A View that a log file or a pipe can hold."""

    def __init__(self) -> None:
        self._history: History | None = None

    def history(self, history: History) -> None:
        """Kept for the denominators of the next line."""
        self._history = history

    def asked(self, ask: Ask) -> None:
        """Nothing: the stance stands in the attempt's line."""

    def attempted(self, attempt: Attempt) -> None:
        """The line."""
        terminal.progress(attempt_line(attempt, self._history))

    def stage(self, stage: str) -> None:
        """Nothing: a line an attempt is what was promised."""

    def say(self, text: str) -> None:
        """One line as it is."""
        terminal.progress(text)
