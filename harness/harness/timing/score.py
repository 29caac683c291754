"""Turn the times of batches into a score: a quantile of their seconds per call, with its bootstrap 95 % interval."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.contract import TIMING

RESAMPLES: int = TIMING["batches"]["resamples"]
"""Number of resamples of the bootstrap."""


@dataclass(frozen=True, slots=True)
class BatchTime:
    """The time of one batch by the judge's clock: seconds per call without the dispatch overhead (the calibrated
    seconds that are not the candidate's work), number of calls, the key that generates its inputs again, and telemetry.
    `TimingSession.run` makes it.
    """

    call_s: float
    """Seconds per call, after the dispatch overhead was deducted."""
    calls: int
    """Number of calls in the batch."""
    key: str
    """Key from which the inputs of the batch can be generated again."""
    telemetry: dict[str, float] = field(default_factory=dict)
    """Readings of the device during the batch, by name with unit, such as `power_w`."""


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one case: `call_s`, a quantile of the batches' seconds per call, and `low_s` and `high_s`, the ends
    of its 95 % interval in seconds per call. The function `score` makes it.
    """

    call_s: float
    low_s: float
    high_s: float


def score(batches: Sequence[BatchTime], *, quantile: float, rng: np.random.Generator) -> Score:
    """Return the score of at least one batch: the quantile `quantile` (0 to 1) of the batches' seconds per call, with
    its bootstrap 95 % interval, which always contains the score. `rng` is the random generator that draws the
    resamples.
    """
    times = np.array([batch.call_s for batch in batches])
    value = float(np.quantile(times, quantile))
    resampled = np.quantile(rng.choice(times, size=(RESAMPLES, len(times))), quantile, axis=1)
    low, high = (float(q) for q in np.quantile(resampled, [0.025, 0.975]))
    return Score(value, min(low, value), max(high, value))
