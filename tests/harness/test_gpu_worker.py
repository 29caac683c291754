"""The worker on a GPU, as far as it needs none: how it reads its orders."""

import numpy as np

from harness.worker.runtime import gpu
from harness.worker.runtime.layout import CALLS, IS_OUTPUT, N_BUFFERS, OFFSETS, SIZES


def test_calls_are_read_one_by_one_where_their_buffers_lie() -> None:
    words = np.zeros(OFFSETS + 16, np.uint64)
    words[CALLS], words[N_BUFFERS] = 2, 3
    words[IS_OUTPUT : IS_OUTPUT + 3] = (0, 0, 1)
    words[SIZES : SIZES + 3] = (7, 8, 9)
    words[OFFSETS : OFFSETS + 6] = (0, 10, 20, 30, 40, 50)
    orders = memoryview(words).cast("B").cast("Q")
    calls = gpu.calls_of(orders, inputs=1000, outputs=5000)
    assert next(calls) == [1000, 1010, 5020]
    words[OFFSETS + 3] = 31
    assert list(calls) == [[1031, 1040, 5050]]
    assert gpu.sizes_of(orders)[:4] == [7, 8, 9, 0]
