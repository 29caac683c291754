"""Where time comes from: the clock of the system, or that of a scripted device."""

import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """A clock that only the judge reads."""

    def now_ns(self) -> int:
        """Return the nanoseconds since an arbitrary moment."""

    def sleep(self, seconds: float) -> None:
        """Return after a number of seconds."""

    def wait_until(self, moment_ns: int, *, or_until: Callable[[], bool]) -> None:
        """Return at a moment of this clock, or earlier if a condition holds before it."""


class SystemClock:
    """The monotonic clock of the system; see Clock."""

    def now_ns(self) -> int:
        """Return the nanoseconds since an arbitrary moment."""
        return time.perf_counter_ns()

    def sleep(self, seconds: float) -> None:
        """Return after a number of seconds."""
        time.sleep(seconds)

    def wait_until(self, moment_ns: int, *, or_until: Callable[[], bool]) -> None:
        """Spin, because a process that sleeps wakes late."""
        while time.perf_counter_ns() < moment_ns and not or_until():
            pass
