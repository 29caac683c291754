"""An attempt log that somebody looks over the shoulder of: forwards everything, tells a view what was written."""

from typing import Protocol

from kernelsmith.core.attempt import Ask, Attempt, Directive
from kernelsmith.core.history import History
from kernelsmith.core.run import Event, Run
from kernelsmith.core.seams import AttemptLog


class View(Protocol):
    """Shows a run while it goes on; is told of things after they are on disk, and never fails the run."""

    def history(self, history: History) -> None:
        """The run as it stands."""
        ...

    def asked(self, ask: Ask) -> None:
        """The next directive."""
        ...

    def attempted(self, attempt: Attempt) -> None:
        """An attempt with its verdict."""
        ...

    def stage(self, stage: str) -> None:
        """What the harness, or the proposer, does now; may come from another thread."""
        ...

    def say(self, text: str) -> None:
        """One line for the user that is no attempt."""
        ...


class Watched:
    """The AttemptLog seam around another AttemptLog."""

    def __init__(self, log: AttemptLog, view: View) -> None:
        self._log = log
        self._view = view

    def history(self, run: Run) -> History:
        """The run as it stands."""
        history = self._log.history(run)
        self._view.history(history)
        return history

    def ask(self, run: Run, directive: Directive, *events: Event) -> Ask:
        """Write down what is asked for next."""
        ask = self._log.ask(run, directive, *events)
        self._view.asked(ask)
        return ask

    def record(self, run: Run, attempt: Attempt, *events: Event) -> None:
        """Write down a verdict."""
        self._log.record(run, attempt, *events)
        self._view.attempted(attempt)

    def note(self, run: Run, event: Event) -> None:
        """Write down an event."""
        self._log.note(run, event)
