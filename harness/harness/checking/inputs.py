"""Secret inputs and poison: a fresh 128-bit key a batch, and a counter-based generator that turns it into data.

The key alone regenerates a batch (`judge --inputs`); nobody is told it before the worker that saw the data is reaped.
"""

import os
from collections.abc import Callable, Mapping

import numpy as np

from harness.contract import KEY_DIGITS
from harness.task import Array, Case, Task

KEY_BYTES = KEY_DIGITS // 2
POISON = 0x7FC00000
"""A quiet float32 NaN; the payload differs from batch to batch, so that poison cannot be told from other NaNs."""
HALF_POISON = 0x7FC0
"""A NaN as float16 and as bfloat16."""


def fresh_key() -> str:
    """128 random bits from the kernel, hex."""
    return os.urandom(KEY_BYTES).hex()


def generator(key: str) -> np.random.Generator:
    """The counter-based generator of one key."""
    return np.random.Generator(np.random.Philox(key=int(key, 16)))


def fill(task: Task, case: Case, *, views: Mapping[str, Array], rng: np.random.Generator) -> None:
    """Write one set of inputs into the judge's views of the memory; the task's own `inputs` where it has one."""
    if hasattr(task.benchmark, "inputs"):
        for name, values in task.benchmark.inputs(case.sizes, rng, np).items():
            views[name][...] = values
        return
    for buffer in task.buffers:
        if not buffer.is_output:
            _DATA[case.data](views[buffer.name], rng)


def poison_word(rng: np.random.Generator, *, item_bytes: int) -> int:
    """One word nobody can know beforehand, NaN in every element; outputs and guard bands are overwritten with it."""
    if item_bytes == 1:
        return int.from_bytes(bytes(0x7F | int(sign) << 7 for sign in rng.integers(0, 2, 4)), "little")
    if item_bytes == 2:
        low, high = (int(payload) for payload in rng.integers(1, 1 << 6, 2))
        return HALF_POISON | low | (HALF_POISON | high) << 16
    return POISON | int(rng.integers(1, 1 << 22))


def _normal(view: Array, rng: np.random.Generator) -> None:
    if view.dtype == np.float32 and view.flags.c_contiguous:
        rng.standard_normal(out=view, dtype=np.float32)
    else:
        view[...] = rng.standard_normal(view.shape)


def _small_integers(view: Array, rng: np.random.Generator) -> None:
    """Products and sums of these stay below 2**24: exact in fp32 in any order of summation."""
    view[...] = rng.integers(-4, 5, size=view.shape)


def _wide_range(view: Array, rng: np.random.Generator) -> None:
    """Rows whose magnitudes differ by up to 2**40."""
    rows = view.shape[:1] + (1,) * (view.ndim - 1)
    view[...] = np.ldexp(rng.standard_normal(view.shape), rng.integers(-20, 21, size=rows))


_DATA: dict[str, Callable[[Array, np.random.Generator], None]] = {
    "normal": _normal,
    "small_integers": _small_integers,
    "wide_range": _wide_range,
}
