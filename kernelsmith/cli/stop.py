"""What an interrupt means: the first ends the run after the attempt in flight, the second ends it at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and what batch systems send some seconds before they kill."""


class StopRequest:
    """Whether the user asked to stop; `stopped` of a session."""

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._asked = False

    def __call__(self) -> bool:
        """True once the user asked to end after the attempt in flight."""
        return self._asked

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """The first signal asks; the second raises KeyboardInterrupt, which ends waiting of any kind."""
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        self._announce("stopping after the attempt in flight; interrupt again to stop at once")


@contextmanager
def stoppable(announce: Callable[[str], None]) -> Iterator[StopRequest]:
    """Signals are answered by a Stop within this block, and as before behind it. Main thread only."""
    stop = StopRequest(announce)
    before = {number: signal.signal(number, stop.on_signal) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
