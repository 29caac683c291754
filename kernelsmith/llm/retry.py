"""The one place that asks an endpoint again: how long to wait, and when to give up."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from kernelsmith.errors import ModelError
from kernelsmith.llm.model import CallFailed, Reply


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long and how often a failing endpoint is asked again. Clock, sleep and randomness come in from outside."""

    total_s: float = 600.0
    """From the first failure on."""
    first_s: float = 1.0
    """The first wait; each later one is twice as long."""
    longest_s: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    random: Random = field(default_factory=Random)

    def wait_s(self, failures: int, asked_s: float | None) -> float:
        """Return the seconds to wait after this many failures: exponential with jitter, at least `asked_s`.

        The jitter takes up to half of the wait away, so that many runs do not ask again at the same moment.
        """
        backoff = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 30))
        return max(backoff * self.random.uniform(0.5, 1.0), asked_s or 0.0)


def persist(call: Callable[[], Reply], patience: RetryPolicy, *, failed: Callable[[CallFailed, int], None]) -> Reply:
    """Return the reply of the first call that succeeds.

    `failed` is called with every failure and the number of calls before it.

    Raises:
        ModelError: a call failed in a way that repeating cannot heal, or patience ran out (`retryable`).
    """
    failures = 0
    given_up_at = float("inf")
    while True:
        try:
            return call()
        except CallFailed as failure:
            failed(failure, failures)
            failures += 1
            if not failure.retryable:
                raise
            given_up_at = min(given_up_at, patience.clock() + patience.total_s)
            wait_s = patience.wait_s(failures, failure.retry_after_s)
            if patience.clock() + wait_s > given_up_at:
                raise _out_of_patience(failure, failures) from failure
            patience.sleep(wait_s)


def _out_of_patience(failure: CallFailed, failures: int) -> ModelError:
    calls = f"{failures} calls" if failures > 1 else "1 call"
    return ModelError(f"{failure} (gave up after {calls}; `kernelsmith resume` goes on)", retryable=True)
