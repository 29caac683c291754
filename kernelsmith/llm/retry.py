"""Ask a failing endpoint again: decide how long to wait between two calls, and when to give up.

No other module repeats a call.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from kernelsmith.core.duration import lasting
from kernelsmith.core.seams import PROPOSING, WAITING, OnProgress
from kernelsmith.errors import ModelError, Stopped
from kernelsmith.llm.model import CallFailed, Reply

POLL_S = 0.1
"""Seconds between two looks at whether the user asked to stop."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Rules for repeating calls to an endpoint that fails: for how many seconds in total, how long to wait between two
    calls, and the functions that sleep, return the time, show progress, and return whether the user has asked to stop.
    Tests replace these functions. `persist` uses it.
    """

    total_s: float = 600.0
    """Seconds from the first failure until the endpoint is given up."""
    first_s: float = 1.0
    """Seconds of the first wait, before jitter; each later wait is twice as long."""
    longest_s: float = 60.0
    """Seconds of the longest wait that the policy chooses; an endpoint may ask for a longer one."""
    sleep: Callable[[float], None] = time.sleep
    """Waits the given seconds; `interruptible_sleep` makes one that returns early when the user asks to stop."""
    stopped: Callable[[], bool] = lambda: False
    """Returns True once the user has asked to stop."""
    on_progress: OnProgress = lambda stage, step: None
    """Receives the stage `waiting` with each failure and the wait that follows, and `proposing` before a new call."""
    clock: Callable[[], float] = time.monotonic
    """Returns seconds from an arbitrary start."""
    random: Random = field(default_factory=Random)

    def wait_s(self, failures: int, asked_s: float | None) -> float:
        """Return the seconds to wait before the next call, after `failures` (at least 1) failed calls in a row. The
        wait doubles with each failure up to `longest_s`, then a random part of up to half is taken off. It is never
        shorter than `asked_s`, the seconds for which the endpoint asked the program to wait, or None.

        The random part keeps many runs from calling at the same moment.
        """
        backoff = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 30))
        return max(backoff * self.random.uniform(0.5, 1.0), asked_s or 0.0)


def interruptible_sleep(stopped: Callable[[], bool]) -> Callable[[float], None]:
    """Return a function that sleeps for the number of seconds that it receives, but returns early, within 0.1 s, once
    `stopped` returns True. `stopped` is a function without arguments that returns whether the user has asked to stop.

    A signal does not end `time.sleep`: Python goes on sleeping once the signal's handler has returned.
    """

    def sleep(seconds: float) -> None:
        until = time.monotonic() + seconds
        while not stopped() and (left_s := until - time.monotonic()) > 0:
            time.sleep(min(left_s, POLL_S))

    return sleep


def persist(call: Callable[[], Reply], policy: RetryPolicy, *, failed: Callable[[CallFailed, int], None]) -> Reply:
    """Call `call` (one call to a model) until it succeeds and return its reply; wait between calls as `policy` says.
    After each failure call `failed` with the error and the number of earlier failures, so that the caller can record
    it. Raises CallFailed if a new call is useless, ModelError if retries would take over `policy.total_s` seconds,
    Stopped if the user asked to stop.
    """
    failures, first_failed_at = 0, float("inf")
    while True:
        try:
            return call()
        except CallFailed as failure:
            failed(failure, failures)
            failures += 1
            if not failure.retryable:
                raise
            first_failed_at = min(first_failed_at, policy.clock())
            _wait(failure, policy, failures=failures, first_failed_at=first_failed_at)


def _wait(failure: CallFailed, policy: RetryPolicy, *, failures: int, first_failed_at: float) -> None:
    """Wait before the next call for as long as `policy` says, and show the latest `failure` and the wait as progress.
    `failures` is the number of calls that have failed so far, `first_failed_at` the time of the first failure in
    seconds of `policy.clock`. Raises ModelError if the wait would exceed `policy.total_s`, Stopped if the user has
    asked to stop.
    """
    failing_s = policy.clock() - first_failed_at
    wait_s = policy.wait_s(failures, failure.retry_after_s)
    if failing_s + wait_s > policy.total_s:
        raise _given_up(failure, failures) from failure
    if not policy.stopped():
        policy.on_progress(WAITING, _announcement(failure, wait_s=wait_s, failing_s=failing_s))
        policy.sleep(wait_s)
    if policy.stopped():
        raise Stopped(f"stopped by the user while the endpoint failed: {failure}") from failure
    policy.on_progress(PROPOSING, "")


def _announcement(failure: CallFailed, *, wait_s: float, failing_s: float) -> str:
    """Return the text that a progress line shows after the word `waiting`: how long the wait is (`wait_s`), for how
    long calls have failed (`failing_s`), and the failure: `8 s to ask again, failing for 3 min 0 s so far: ...`.
    """
    return f"{lasting(max(wait_s, 1))} to ask again, failing for {lasting(failing_s)} so far: {failure}"


def _given_up(failure: CallFailed, failures: int) -> ModelError:
    calls = f"{failures} calls" if failures > 1 else "1 call"
    return ModelError(f"{failure} (gave up after {calls}; `kernelsmith resume` goes on)", retryable=True)
