"""Clocks by which the judge times candidates: the interface, and the clock of the operating system. Candidates cannot
reach them.
"""

import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Protocol of a clock that only the judge reads. Moments are integers in nanoseconds since an arbitrary start. Each
    device holds one: the operating system's clock, or the simulated clock of a scripted device.
    """

    def now_ns(self) -> int:
        """Return the current moment in nanoseconds since an arbitrary start, which stays the same while the program
        runs.
        """

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds` seconds of this clock, then return. A simulated clock only moves forward and returns at
        once.
        """

    def wait_until(self, moment_ns: int, *, or_until: Callable[[], bool]) -> None:
        """Wait until the moment `moment_ns` (nanoseconds, as `now_ns` counts), or until the callback `or_until`, which
        takes no arguments, returns True, whichever comes first. Returns nothing.
        """


class SystemClock:
    """The monotonic clock of the operating system, by which CPU and GPU devices time batches. It holds no state."""

    def now_ns(self) -> int:
        """Return the current moment in nanoseconds since an arbitrary start, by the performance counter of the
        operating system.
        """
        return time.perf_counter_ns()

    def sleep(self, seconds: float) -> None:
        """Suspend this thread for `seconds` seconds, then return."""
        time.sleep(seconds)

    def wait_until(self, moment_ns: int, *, or_until: Callable[[], bool]) -> None:
        """Wait until the moment `moment_ns` (nanoseconds, as `now_ns` counts), or until the callback `or_until`, which
        takes no arguments, returns True, whichever comes first. The wait keeps the core busy, because a sleeping thread
        wakes late.
        """
        while time.perf_counter_ns() < moment_ns and not or_until():
            pass
