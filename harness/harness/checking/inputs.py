"""Draw the secret inputs of a batch from a 128-bit key, and the poison (a secret NaN pattern) that fills outputs before
a batch.

The same key always gives the same inputs, so that `judge --inputs` can repeat a batch. The judge publishes a key only
after the worker that received the data has ended.
"""

import os
from collections.abc import Callable, Mapping

import numpy as np

from harness.contract import KEY_DIGITS
from harness.task import Array, Case, Task

KEY_BYTES = KEY_DIGITS // 2
POISON = 0x7FC00000
"""Bits of a quiet float32 NaN. Poison adds a secret payload in the low bits, so that no candidate can recognize it."""
HALF_POISON = 0x7FC0
"""Bits of a NaN in both float16 and bfloat16."""


def fresh_key() -> str:
    """Return a new key, from which a batch's inputs are drawn: 128 random bits from the operating system as 32
    hexadecimal digits.
    """
    return os.urandom(KEY_BYTES).hex()


def generator(key: str) -> np.random.Generator:
    """Return a new numpy random generator (Philox, counter-based) for a key of hexadecimal digits; the same key gives
    the same numbers. Raises ValueError if the key is not hexadecimal.
    """
    return np.random.Generator(np.random.Philox(key=int(key, 16)))


def fill(task: Task, case: Case, *, views: Mapping[str, Array], rng: np.random.Generator) -> None:
    """Write the inputs of one call of a case into `views`, writable arrays by argument name, with random numbers from
    `rng`; return nothing. The function `inputs` of benchmark.py makes the values if there is one, else the case's kind
    of data decides. Raises whatever benchmark.py raises.
    """
    if hasattr(task.benchmark, "inputs"):
        for name, values in task.benchmark.inputs(case.sizes, rng, np).items():
            views[name][...] = values
        return
    for buffer in task.buffers:
        if not buffer.is_output:
            _DATA[case.data](views[buffer.name], rng)


def poison_word(rng: np.random.Generator, *, item_bytes: int) -> int:
    """Return a secret 32-bit word, drawn by `rng`, whose bits are NaN in every element of `item_bytes` (1, 2 or 4)
    bytes. The judge fills outputs with it before a batch, so that it recognizes elements which a candidate does not
    write.

    The guard bands around outputs are filled with it, too.
    """
    if item_bytes == 1:
        return int.from_bytes(bytes(0x7F | int(sign) << 7 for sign in rng.integers(0, 2, 4)), "little")
    if item_bytes == 2:
        low, high = (int(payload) for payload in rng.integers(1, 1 << 6, 2))
        return HALF_POISON | low | (HALF_POISON | high) << 16
    return POISON | int(rng.integers(1, 1 << 22))


def _normal(view: Array, rng: np.random.Generator) -> None:
    """Fill the array `view` in place with normal random numbers of mean 0 and standard deviation 1 from `rng`."""
    if view.dtype == np.float32 and view.flags.c_contiguous:
        rng.standard_normal(out=view, dtype=np.float32)
    else:
        view[...] = rng.standard_normal(view.shape)


def _small_integers(view: Array, rng: np.random.Generator) -> None:
    """Fill the array `view` in place with whole numbers from -4 to 4 that `rng` draws. Sums of up to a million of their
    products are exact in fp32, so the outputs can be compared exactly.
    """
    view[...] = rng.integers(-4, 5, size=view.shape)


def _wide_range(view: Array, rng: np.random.Generator) -> None:
    """Fill the array `view` in place with normal random numbers from `rng`, each row multiplied by a random power of
    two from 2**-20 to 2**20.
    """
    rows = view.shape[:1] + (1,) * (view.ndim - 1)
    view[...] = np.ldexp(rng.standard_normal(view.shape), rng.integers(-20, 21, size=rows))


_DATA: dict[str, Callable[[Array, np.random.Generator], None]] = {
    "normal": _normal,
    "small_integers": _small_integers,
    "wide_range": _wide_range,
}
