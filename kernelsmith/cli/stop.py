"""Stop a run on Ctrl-C or SIGTERM: the first signal after the attempt in flight, the second one at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and the signal that batch systems send some seconds before they kill a process."""
INTERRUPTED = 130
"""Exit code of a command that one of these signals ended: 128 and the number of SIGINT, as shells expect."""


class StopRequest:
    """Whether the user has asked to stop a run, by Ctrl-C or SIGTERM. The session calls the object to find out.

    `announce` receives one line for the user when the first signal arrives.
    """

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._is_requested = False

    def __call__(self) -> bool:
        """Return True once Ctrl-C or SIGTERM has arrived."""
        return self._is_requested

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal as a request; raise KeyboardInterrupt on each later one, which ends any wait."""
        if self._is_requested:
            raise KeyboardInterrupt
        self._is_requested = True
        self._announce("stopping after the attempt in flight; interrupt again to stop at once")


@contextmanager
def stoppable(announce: Callable[[str], None]) -> Iterator[StopRequest]:
    """Handle the signals with a StopRequest within a block, and restore the earlier handlers after the block.

    Python allows this in the main thread only.
    """
    stop = StopRequest(announce)
    before = {number: signal.signal(number, stop.on_signal) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
