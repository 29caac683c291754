"""Define the judge's request to a worker to run one batch of calls."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.worker.runtime.layout import CALL, CAPTURE, REPLAY


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """All that a worker must know to run one batch of calls: the size arguments, the byte offsets of every call's
    buffers, which buffers are outputs, and the manner (CALL: call the candidate; CAPTURE: record the calls as a CUDA
    graph; REPLAY: launch the recorded graph). The timing session makes it; `Worker.send_batch` transmits it."""

    sizes: tuple[int, ...]
    """Size arguments of the entry function, the same for every call."""
    offsets: NDArray[np.uint64]
    """Byte offset of every buffer, [calls][buffers]: into the inputs for an input, into the outputs for an output."""
    outputs: tuple[bool, ...]
    """Whether each buffer is an output, [buffers]."""
    manner: int = CALL
    """CALL: call the candidate. CAPTURE: capture the calls as a CUDA graph. REPLAY: launch the captured graph."""


__all__ = ["CALL", "CAPTURE", "REPLAY", "BatchRequest"]
