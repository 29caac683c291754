"""Round numpy arrays to floating-point types of at most 16 bits, to nearest with ties to even, correct to the last bit.

Numpy lacks bfloat16 and float8, so that rounded values stay in float32 arrays.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Narrow:
    """The format of a floating-point type of at most 16 bits: number of bits of the mantissa, smallest exponent,
    largest number, and whether larger numbers are rounded to that number or become infinite. The table NARROW holds one
    for each type.
    """

    bits: int
    """Number of stored bits of the mantissa."""
    least_exponent: int
    """Smallest exponent of a normal number."""
    largest: float
    """Largest finite number."""
    saturates: bool
    """True: larger numbers are rounded to `largest`. False: they become infinite."""


NARROW: dict[str, Narrow] = {
    "bfloat16": Narrow(7, -126, float.fromhex("0x1.fep127"), saturates=False),
    "float16": Narrow(10, -14, 65504.0, saturates=False),
    "float8_e4m3fn": Narrow(3, -6, 448.0, saturates=True),
}


def rounded(values: NDArray[np.floating], dtype: str) -> Values:
    """Return a float32 array with each value rounded to the nearest number of `dtype`, if that is bfloat16, float16 or
    float8_e4m3fn. For any other dtype the values are only converted to float32.
    """
    if (narrow := NARROW.get(dtype)) is None:
        return values.astype(np.float32)
    if dtype == "bfloat16" and values.dtype == np.float32:
        return _rounded_to_bfloat16(values)
    quantum = _quantum(values, narrow)
    nearest = np.rint(values / quantum) * quantum
    beyond = np.copysign(narrow.largest if narrow.saturates else np.inf, nearest)
    return np.where(np.abs(nearest) > narrow.largest, beyond, nearest).astype(np.float32)


def ends_in_zeros(values: Values, dtype: str, *, bits: int) -> NDArray[np.bool_]:
    """Return a boolean array that says for each value whether the last `bits` bits of its mantissa are zero. `values`
    are numbers of `dtype` (bfloat16, float16 or float8_e4m3fn) stored as float32. Raises KeyError for another dtype.

    This holds for normal numbers only, because a subnormal number's float32 form has other mantissa bits.
    """
    shift = 23 - NARROW[dtype].bits
    return np.asarray(values.view(np.uint32) >> np.uint32(shift) & np.uint32((1 << bits) - 1) == 0)


def _quantum(values: NDArray[np.floating], narrow: Narrow) -> NDArray[np.float64]:
    """Return a float64 array that holds for each of `values` the distance between neighbouring numbers of the type
    `narrow` at that value; rounding is to multiples of it.

    It is a power of two, so float64 numbers can be divided by it without rounding.
    """
    _, exponent = np.frexp(np.abs(values, dtype=np.float64))
    return np.asarray(np.ldexp(1.0, np.maximum(exponent - 1, narrow.least_exponent) - narrow.bits))


def _rounded_to_bfloat16(values: Values) -> Values:
    """Return a float32 array with each value rounded to the nearest bfloat16 number, by integer arithmetic on the bits.
    Infinities and NaNs stay as they are.

    Half of the lower 16 bits' range is added before the lower bits are cut off; a tie goes to the even neighbour.
    """
    words = values.view(np.uint32)
    up = words + np.uint32(0x7FFF) + (words >> np.uint32(16) & np.uint32(1))
    nearest = (up & np.uint32(0xFFFF0000)).view(np.float32)
    return np.where(np.isfinite(values), nearest, values)
