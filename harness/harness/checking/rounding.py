"""Rounding to narrow floating-point types in numpy, to nearest and ties to even, exact to the bit; numpy lacks two.

Values stay float32 arrays: those of the narrow type among them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Narrow:
    """A floating-point type of at most 16 bits."""

    bits: int
    """Of the mantissa that are stored."""
    least_exponent: int
    """Of normal numbers."""
    largest: float
    saturates: bool
    """What is larger becomes `largest`; else infinite."""


NARROW = {
    "bfloat16": Narrow(7, -126, float.fromhex("0x1.fep127"), saturates=False),
    "float16": Narrow(10, -14, 65504.0, saturates=False),
    "float8_e4m3fn": Narrow(3, -6, 448.0, saturates=True),
}


def rounded(values: NDArray[np.floating], dtype: str) -> Values:
    """The nearest values of a type; float32 and wider types keep float32."""
    if (narrow := NARROW.get(dtype)) is None:
        return values.astype(np.float32)
    if dtype == "bfloat16" and values.dtype == np.float32:
        return _rounded_to_bfloat16(values)
    quantum = _quantum(values, narrow)
    nearest = np.rint(values / quantum) * quantum
    beyond = np.copysign(narrow.largest if narrow.saturates else np.inf, nearest)
    return np.where(np.abs(nearest) > narrow.largest, beyond, nearest).astype(np.float32)


def ends_in_zeros(values: Values, dtype: str, *, bits: int) -> NDArray[np.bool_]:
    """Where the last bits of the stored mantissa are zero; of normal numbers."""
    shift = 23 - NARROW[dtype].bits
    return np.asarray(values.view(np.uint32) >> np.uint32(shift) & np.uint32((1 << bits) - 1) == 0)


def _quantum(values: NDArray[np.floating], narrow: Narrow) -> NDArray[np.float64]:
    """The distance of neighbours in the narrow type, in float64, where it can be divided by without loss."""
    _, exponent = np.frexp(np.abs(values, dtype=np.float64))
    return np.asarray(np.ldexp(1.0, np.maximum(exponent - 1, narrow.least_exponent) - narrow.bits))


def _rounded_to_bfloat16(values: Values) -> Values:
    """The upper half of the word, after half of the lower one was added, less one where that makes ties even."""
    words = values.view(np.uint32)
    up = words + np.uint32(0x7FFF) + (words >> np.uint32(16) & np.uint32(1))
    nearest = (up & np.uint32(0xFFFF0000)).view(np.float32)
    return np.where(np.isfinite(values), nearest, values)
