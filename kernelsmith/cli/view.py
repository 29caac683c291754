"""Chooses the view of a run that goes on, a drawing or lines, and handles Ctrl-C while the view is open."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from kernelsmith.cli.lines import LineView
from kernelsmith.cli.stop import StopRequest, stoppable
from kernelsmith.core.seams import Observer


@contextmanager
def watched() -> Iterator[tuple[Observer, StopRequest]]:
    """Return a context manager that shows a run on stderr during its block. The block receives a pair: the view (an
    observer, to be passed to the session), and an object whose call returns whether the user has pressed Ctrl-C. At the
    end the view is closed and the earlier signal handlers are restored. Raises ValueError outside of the main thread.
    """
    with _view() as view, stoppable(view.say) as stop:
        yield view, stop


def say_how_to_stop(view: Observer, resume_command: str) -> None:
    """Print one line in the view: that Ctrl-C stops the run, and that the shell command `resume_command` goes on with
    it afterwards.
    """
    view.say(f"Ctrl-C stops after the attempt in flight, a second Ctrl-C at once; go on with `{resume_command}`")


@contextmanager
def _view() -> Iterator[Observer]:
    """Return a context manager whose block receives an observer that shows a run on stderr: one that draws if stderr is
    a terminal, else one that prints lines. At the end of the block the last drawing stays on the screen.
    """
    if not sys.stderr.isatty():
        yield LineView()
        return
    from rich.console import Console

    from kernelsmith.cli.live import LiveView

    with LiveView(Console(stderr=True)) as live:
        yield live
