"""Choose the view of a run that goes on, a drawing or lines, and handle interrupts while the view is open."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from kernelsmith.cli.lines import LineView
from kernelsmith.cli.stop import StopRequest, stoppable
from kernelsmith.core.seams import Observer


@contextmanager
def watched() -> Iterator[tuple[Observer, StopRequest]]:
    """Open the view of a run, and yield it with the object that says whether the user asked to stop.

    Only the main thread can use this, because it handles signals.
    """
    with _view() as view, stoppable(view.say) as stop:
        yield view, stop


def say_how_to_stop(view: Observer, resume_command: str) -> None:
    """Print one line in the view: which keys stop the run, and which command goes on with the run afterwards."""
    view.say(f"Ctrl-C stops after the attempt in flight, a second Ctrl-C at once; go on with `{resume_command}`")


@contextmanager
def _view() -> Iterator[Observer]:
    """Yield a view that draws if stderr is a terminal, else a view that prints lines."""
    if not sys.stderr.isatty():
        yield LineView()
        return
    from rich.console import Console

    from kernelsmith.cli.live import LiveView

    with LiveView(Console(stderr=True)) as live:
        yield live
