"""What is shown of a run while it goes on, and what an interrupt does to it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from kernelsmith.cli.lines import LineView
from kernelsmith.cli.stop import StopRequest, stoppable
from kernelsmith.core.seams import Observer


@contextmanager
def watched() -> Iterator[tuple[Observer, StopRequest]]:
    """Hold the view of a run, and what tells whether the user asked to stop. Main thread only."""
    with _view() as view, stoppable(view.say) as stop:
        yield view, stop


@contextmanager
def _view() -> Iterator[Observer]:
    if not sys.stderr.isatty():
        yield LineView()
        return
    from rich.console import Console

    from kernelsmith.cli.live import LiveView

    with LiveView(Console(stderr=True)) as live:
        yield live
