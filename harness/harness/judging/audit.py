"""The single-call audit: a candidate that is fast only in the company of other calls is scored without company.

Each call's inputs are revealed after the previous call's outputs were seen complete, so nothing can be merged,
overlapped or done in advance.
"""

import math
import secrets

import numpy as np

from harness.checking import inputs
from harness.contract import TIMING
from harness.timing import clock
from harness.timing.clock import Reading, Stand

SINGLE_CALLS: int = TIMING["audit"]["single_calls"]
QUANTILE: float = TIMING["audit"]["quantile"]
ALLOWED: float = TIMING["audit"]["tolerance"]
"""A candidate's single-to-batch ratio may exceed the vendor line's by this factor ..."""
SCATTERS: float = TIMING["audit"]["scatters"]
"""... and by so many scatters of the deducted constant, below which single calls resolve nothing."""


def single_call_s(stand: Stand, *, look_again_from_s: float = math.inf, is_right: bool = True) -> float:
    """Seconds of one call when it is alone; every output is verified, unless it is not meant to be right.

    Calls that take long are looked at again as a graph of one call each, where they can be captured: a batch hides how
    long the host takes to launch, a lone call does not, and that is no company.

    The low quantile, whatever the device's own: other programs make single calls slower, and nothing makes a call that
    needs company faster.

    Raises:
        Failed, WorkerDied, WorkerOverdue: as any timed call.
    """
    single_s = _low_s(stand, is_right=is_right)
    if single_s <= look_again_from_s:
        return single_s
    alone = stand.capture(range(1), deadline_s=stand.task.limits.call_s)
    return min(single_s, _low_s(alone, is_right=is_right)) if alone.is_captured else single_s


def _low_s(stand: Stand, *, is_right: bool) -> float:
    readings: list[Reading] = []
    for _ in range(SINGLE_CALLS):
        key = inputs.fresh_key()
        stand.refresh(range(1), key)
        run = stand.run(range(1), key, deadline_s=stand.task.limits.call_s)
        if is_right:
            run.verify(np.random.default_rng(secrets.randbits(128)))
        readings.append(run.reading)
    return clock.score(readings, quantile=QUANTILE, rng=np.random.default_rng(0)).call_s


def allowed_s(batch_s: float, *, vendor_ratio: float, scatter_s: float) -> float:
    """The longest single call that a batch time of `batch_s` justifies; never less than that time itself."""
    return batch_s * max(1.0, vendor_ratio) * ALLOWED + SCATTERS * scatter_s
