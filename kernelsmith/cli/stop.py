"""Handles Ctrl-C and SIGTERM during a run: the first signal ends the run after the attempt in flight, the second one at
once.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and the signal that batch systems send some seconds before they kill a process."""
INTERRUPTED = 130
"""Exit code of a command that one of these signals ended: 128 and the number of SIGINT, as shells expect."""


class StopRequest:
    """An object that remembers whether the user has asked to stop a run, by Ctrl-C or SIGTERM; calling it returns True
    or False. `announce` is a function that shows one line of text to the user, called when the first signal arrives.
    `stoppable` makes it.
    """

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._is_requested = False

    def __call__(self) -> bool:
        """Return True once Ctrl-C or SIGTERM has arrived, else False."""
        return self._is_requested

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Remember the first signal as the request to stop the run after the present attempt; on each later one raise
        KeyboardInterrupt, which ends whatever the program waits for. `number` and `frame` are what Python passes to a
        signal handler, and are not used.
        """
        if self._is_requested:
            raise KeyboardInterrupt
        self._is_requested = True
        self._announce("stopping after the attempt in flight; interrupt again to stop at once")


@contextmanager
def stoppable(announce: Callable[[str], None]) -> Iterator[StopRequest]:
    """Return a context manager that handles Ctrl-C and SIGTERM within its block and restores the earlier handlers at
    the end. The block receives a StopRequest, whose call returns True after the first signal. `announce` is a function
    that shows one line of text to the user at that signal. Raises ValueError outside of the main thread.
    """
    stop = StopRequest(announce)
    before = {number: signal.signal(number, stop.on_signal) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
