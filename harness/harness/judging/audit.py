"""The audit: time calls one by one, because a candidate that is fast only in batches is scored by its single calls.

Each call's inputs are revealed only after the outputs of the previous call were complete, so a candidate can neither
merge nor overlap calls nor work in advance.
"""

import math

import numpy as np

from harness.checking import inputs
from harness.contract import TIMING
from harness.timing.score import BatchTime, score
from harness.timing.session import TimingSession

SINGLE_CALLS: int = TIMING["audit"]["single_calls"]
"""Number of single calls in one audit."""
QUANTILE: float = TIMING["audit"]["quantile"]
"""Quantile of the single calls' times that counts."""
ALLOWED: float = TIMING["audit"]["tolerance"]
"""A candidate's ratio of single-call time to batch time may exceed the vendor line's ratio by this factor."""
SCATTERS: float = TIMING["audit"]["scatters"]
"""Number of scatters of the dispatch overhead that a single call may take in addition, because single calls resolve
nothing smaller."""


def single_call_s(session: TimingSession, *, look_again_from_s: float = math.inf, is_verified: bool = True) -> float:
    """Return the seconds of one call in a batch of its own: a low quantile of SINGLE_CALLS such batches. A result above
    `look_again_from_s` seconds is measured again with the call as a CUDA graph, and the smaller one is returned. With
    `is_verified`, every output is checked, and CandidateFailed is raised if one is wrong. Raises WorkerDied if the
    worker ended, WorkerOverdue if it missed its deadline.

    A batch hides the time that the host takes to launch, and a single call does not; a graph removes it. The low
    quantile is right on every device: other programs only make single calls slower, and a call that needs other calls
    to be fast gains nothing from it.
    """
    single_s = _low_s(session, is_verified=is_verified)
    if single_s <= look_again_from_s:
        return single_s
    captured = session.capture(range(1))
    return min(single_s, _low_s(captured, is_verified=is_verified)) if captured.is_captured else single_s


def _low_s(session: TimingSession, *, is_verified: bool) -> float:
    """Time SINGLE_CALLS calls, each on fresh inputs and in a batch of its own, and return a low quantile of their
    seconds. With `is_verified`, check every output. Raises CandidateFailed if an output is wrong, WorkerDied if the
    worker ended, and WorkerOverdue if it missed its deadline.
    """
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
    """Return the longest seconds that a single call may take if calls in batches take `batch_s` seconds each. It is
    `batch_s` times `vendor_ratio` (a trusted kernel's single-call time divided by its time per call in batches, at
    least 1) times a tolerance, plus a multiple of `scatter_s`, the scatter of the dispatch overhead in seconds.
    """
    return batch_s * max(1.0, vendor_ratio) * ALLOWED + SCATTERS * scatter_s
