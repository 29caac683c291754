"""What the times of batches mean: a quantile with its bootstrap interval."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.contract import TIMING

RESAMPLES: int = TIMING["batches"]["resamples"]


@dataclass(frozen=True, slots=True)
class BatchTime:
    """What the clock read of one batch."""

    call_s: float
    """Seconds per call, after the dispatch overhead was deducted."""
    calls: int
    key: str
    """Key that regenerates the inputs of the batch."""
    telemetry: dict[str, float] = field(default_factory=dict)
    """What the device reported during the batch."""


@dataclass(frozen=True, slots=True)
class Score:
    """The statistic over the batches of one case, seconds per call, with its 95 % interval."""

    call_s: float
    low_s: float
    high_s: float


def score(batches: Sequence[BatchTime], *, quantile: float, rng: np.random.Generator) -> Score:
    """Return a quantile of the batches' times per call with its bootstrap 95 % interval; `rng` resamples."""
    times = np.array([batch.call_s for batch in batches])
    value = float(np.quantile(times, quantile))
    resampled = np.quantile(rng.choice(times, size=(RESAMPLES, len(times))), quantile, axis=1)
    low, high = (float(q) for q in np.quantile(resampled, [0.025, 0.975]))
    return Score(value, min(low, value), max(high, value))
