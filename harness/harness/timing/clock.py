"""Clocks that only the judge reads: the interface, and the clock of the operating system."""

import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """A clock that only the judge reads. Moments are integers in nanoseconds."""

    def now_ns(self) -> int:
        """Return the current moment in nanoseconds since an arbitrary start."""

    def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds, then return."""

    def wait_until(self, moment_ns: int, *, or_until: Callable[[], bool]) -> None:
        """Return at the moment `moment_ns`, or earlier as soon as `or_until()` returns True."""


class SystemClock:
    """The monotonic clock of the operating system; see Clock."""

    def now_ns(self) -> int:
        """Return the current moment in nanoseconds since an arbitrary start."""
        return time.perf_counter_ns()

    def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds, then return."""
        time.sleep(seconds)

    def wait_until(self, moment_ns: int, *, or_until: Callable[[], bool]) -> None:
        """Return at the moment `moment_ns`, or earlier as soon as `or_until()` returns True. This spins, because a
        process that sleeps wakes late.
        """
        while time.perf_counter_ns() < moment_ns and not or_until():
            pass
