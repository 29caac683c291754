"""The view of a run without a terminal: one line an attempt on stderr."""

from kernelsmith.cli import figures, terminal
from kernelsmith.core.attempt import Ask, Attempt
from kernelsmith.core.history import History


class Lines:
    """A View that a log file or a pipe can hold."""

    def __init__(self) -> None:
        self._history: History | None = None

    def history(self, history: History) -> None:
        """Kept for the denominators of the next line; the first one is announced."""
        self._history = history

    def asked(self, ask: Ask) -> None:
        """Nothing: the stance stands in the attempt's line."""

    def attempted(self, attempt: Attempt) -> None:
        """The line."""
        terminal.progress(self._line(attempt))

    def stage(self, stage: str) -> None:
        """Nothing: a line an attempt is what was promised."""

    def say(self, text: str) -> None:
        """One line as it is."""
        terminal.progress(text)

    def _line(self, attempt: Attempt) -> str:
        verdict = attempt.verdict
        words = [f"[{attempt.number}{self._of()}]", verdict.status, attempt.stance]
        if verdict.measurement:
            device = self._history.device if self._history else None
            words += [f"{figures.percent(verdict.utilization)} of peak", figures.of_vendor(verdict.measurement, device)]
            words += [figures.duration(verdict.measurement.time_us)]
        return "  ".join([word for word in words if word] + [figures.reason(verdict)])

    def _of(self) -> str:
        limit = self._history.budget.attempts if self._history else None
        return f"/{limit}" if limit else ""
