"""The parts of a GPU worker that need no GPU: reading orders and preparing launches."""

from typing import Any

import numpy as np

from harness.worker.runtime import driver, gpu
from harness.worker.runtime.layout import CALLS, IS_OUTPUT, N_BUFFERS, OFFSETS, SIZES


def test_buffer_addresses_are_read_one_call_at_a_time() -> None:
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


class Noted(driver.Driver):
    """A driver without a GPU that records its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def call(self, name: str, *arguments: object) -> None:
        self.calls.append((name, arguments))


def test_a_launch_has_the_attributes_that_its_shape_asks_for() -> None:
    cuda = Noted()
    shape = driver.Shape(256, 4096, 3, cluster=2, is_programmatic=True)
    launch = cuda.prepare(7, shape)
    launch.slots[2] = 99
    launch((4, 2, 1), 5)
    ((name, (config, function, addresses, _)),) = cuda.calls
    assert (name, function.value, len(addresses)) == ("cuLaunchKernelEx", 7, 3)
    launch_config = config._obj
    assert (list(launch_config.grid), list(launch_config.block)) == ([4, 2, 1], [256, 1, 1])
    assert (launch_config.shared_bytes, launch_config.stream) == (4096, 5)
    attributes = {
        one.id: list(one.value.dimensions) for one in launch_config.attributes[: launch_config.attribute_count]
    }
    assert attributes == {number: list(values) for number, values in shape.attributes}
    assert len(attributes) == 3


def test_a_plain_launch_has_no_attributes() -> None:
    assert driver.Shape(128, 0, 0).attributes == []
