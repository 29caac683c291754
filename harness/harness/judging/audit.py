"""The single-call audit: a candidate that is fast only among other calls is scored by its single calls.

Each call's inputs are revealed after the previous call's outputs were seen complete, so nothing can be merged,
overlapped or done in advance.
"""

import math

import numpy as np

from harness.checking import inputs
from harness.contract import TIMING
from harness.timing.score import BatchTime, score
from harness.timing.session import TimingSession

SINGLE_CALLS: int = TIMING["audit"]["single_calls"]
QUANTILE: float = TIMING["audit"]["quantile"]
ALLOWED: float = TIMING["audit"]["tolerance"]
"""A candidate's single-to-batch ratio may exceed the vendor line's by this factor ..."""
SCATTERS: float = TIMING["audit"]["scatters"]
"""... and by so many scatters of the dispatch overhead, below which single calls resolve nothing."""


def single_call_s(session: TimingSession, *, look_again_from_s: float = math.inf, is_verified: bool = True) -> float:
    """Return the seconds of one call that runs alone; every output is verified where `is_verified`.

    Calls that take `look_again_from_s` or longer are timed again as a graph of one call each, where they can be
    captured: a batch hides how long the host takes to launch, and a single call does not.

    The result is a low quantile on every device: other programs make single calls slower, and nothing makes a call
    faster that needs other calls.

    Raises:
        Failed, WorkerDied, WorkerOverdue: an output is wrong, or the worker ended or was late.
    """
    single_s = _low_s(session, is_verified=is_verified)
    if single_s <= look_again_from_s:
        return single_s
    captured = session.capture(range(1))
    return min(single_s, _low_s(captured, is_verified=is_verified)) if captured.is_captured else single_s


def _low_s(session: TimingSession, *, is_verified: bool) -> float:
    times: list[BatchTime] = []
    for _ in range(SINGLE_CALLS):
        key = inputs.fresh_key()
        session.refresh(range(1), key)
        batch = session.run(range(1), key)
        if is_verified:
            batch.verify()
        times.append(batch.time)
    return score(times, quantile=QUANTILE, rng=np.random.default_rng(0)).call_s


def allowed_s(batch_s: float, *, vendor_ratio: float, scatter_s: float) -> float:
    """Return the longest single call that a time of `batch_s` in batches justifies; never less than that time."""
    return batch_s * max(1.0, vendor_ratio) * ALLOWED + SCATTERS * scatter_s
