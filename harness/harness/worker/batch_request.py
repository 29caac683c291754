"""One batch as the judge orders it from a worker."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.worker.runtime.layout import CALL, CAPTURE, REPLAY


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """The calls of a batch."""

    sizes: tuple[int, ...]
    """Size arguments of the entry function."""
    offsets: NDArray[np.uint64]
    """Byte offsets into inputs or outputs, [calls][buffers]."""
    outputs: tuple[bool, ...]
    """Whether each buffer is an output."""
    manner: int = CALL
    """CALL, CAPTURE or REPLAY."""


__all__ = ["CALL", "CAPTURE", "REPLAY", "BatchRequest"]
