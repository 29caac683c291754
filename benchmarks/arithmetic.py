"""Honest and dishonest arithmetic in numpy: what a kernel that computes so would write.

Matrices are float32 arrays [..., rows, K] of the values that the type can hold, so that many small problems are
computed at once. What a tensor core does to fp8 products follows Khattak and Mikaitis, "Accurate models of NVIDIA
tensor cores" (2025), and the measurements in docs/experiments.md: it aligns the products of 32 terms and the
accumulator to the largest of them, keeps 13 bits behind its leading one, and truncates.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.checking.rounding import Values, rounded

Product = Callable[[Values, Values], NDArray[np.floating]]
"""C = A Bᵀ as accumulated, not yet rounded to the output's type."""

TENSOR_STEP, TENSOR_BITS = 32, 13
HALF_STEP = 16
"""Terms that a tensor core adds before it rounds to fp16."""
TILE = 64


# --- products: honest orders ----------------------------------------------------------------------------------------


def sequential(a: Values, b: Values) -> Values:
    """One term after the other."""
    total = np.zeros((*a.shape[:-1], b.shape[-2]), np.float32)
    for k in range(a.shape[-1]):
        total += a[..., :, None, k] * b[..., None, :, k]
    return total


def reversed_order(a: Values, b: Values) -> Values:
    """The last term first."""
    return sequential(a[..., ::-1], b[..., ::-1])


def pairwise(a: Values, b: Values) -> Values:
    """Halves, and halves of halves."""
    terms = a.shape[-1]
    if terms <= 8:
        return sequential(a, b)
    half = terms // 2
    return pairwise(a[..., :half], b[..., :half]) + pairwise(a[..., half:], b[..., half:])


def by_tiles(a: Values, b: Values) -> Values:
    """A sum for each tile along K, added to the total."""
    total = np.zeros((*a.shape[:-1], b.shape[-2]), np.float32)
    for part in _slabs(a, b, step=TILE):
        total += sequential(*part)
    return total


def split_k(a: Values, b: Values, *, parts: int = 4) -> Values:
    """Partial sums in fp32, added at the end."""
    total: Values = np.sum(_partial(a, b, parts=parts, product=sequential), axis=0, dtype=np.float32)
    return total


def fast_accumulation(a: Values, b: Values) -> NDArray[np.floating]:
    """As the tensor cores add fp8 products: the vendor's own way."""
    total = np.zeros((*a.shape[:-1], b.shape[-2]))
    for left, right in _slabs(a, b, step=TENSOR_STEP):
        terms = left[..., :, None, :].astype(np.float64) * right[..., None, :, :]
        largest = np.maximum(np.abs(terms).max(axis=-1), np.abs(total))
        quantum = np.ldexp(1.0, np.frexp(largest)[1] - 1 - TENSOR_BITS)
        total = (np.trunc(total / quantum) + np.trunc(terms / quantum[..., None]).sum(axis=-1)) * quantum
        total = _truncated(total)
    return total


def fast_accumulation_by_parts(a: Values, b: Values) -> NDArray[np.floating]:
    """The same in two partial sums, added in fp32."""
    total: NDArray[np.floating] = np.sum(_partial(a, b, parts=2, product=fast_accumulation), axis=0)
    return total


def _truncated(values: NDArray[np.float64]) -> NDArray[np.float64]:
    quantum = np.ldexp(1.0, np.frexp(values)[1] - 1 - TENSOR_BITS)
    return np.asarray(np.trunc(values / quantum) * quantum)


# --- products: dishonest --------------------------------------------------------------------------------------------


def fp16_accumulation(a: Values, b: Values) -> Values:
    """The total is rounded to fp16 after every step."""
    total = np.zeros((*a.shape[:-1], b.shape[-2]), np.float32)
    for left, right in _slabs(a, b, step=HALF_STEP):
        total = (total + left @ np.swapaxes(right, -1, -2)).astype(np.float16).astype(np.float32)
    return total


def fp16_fast_accumulation(a: Values, b: Values) -> NDArray[np.floating]:
    """As the tensor cores add fp8 products into fp16."""
    total = np.zeros((*a.shape[:-1], b.shape[-2]))
    for left, right in _slabs(a, b, step=TENSOR_STEP):
        terms = left[..., :, None, :].astype(np.float64) * right[..., None, :, :]
        largest = np.maximum(np.abs(terms).max(axis=-1), np.abs(total))
        quantum = np.ldexp(1.0, np.frexp(largest)[1] - 1 - TENSOR_BITS)
        total = (np.trunc(total / quantum) + np.trunc(terms / quantum[..., None]).sum(axis=-1)) * quantum
        total = total.astype(np.float16).astype(np.float64)
    return total


def bf16_partials(parts: int, product: Product = sequential) -> Product:
    """Split along K, the partial sums kept in bf16."""

    def computed(a: Values, b: Values) -> Values:
        kept = [rounded(part.astype(np.float32), "bfloat16") for part in _partial(a, b, parts=parts, product=product)]
        total: Values = np.sum(kept, axis=0, dtype=np.float32)
        return total

    return computed


def bf16_running_sum(parts: int, product: Product = sequential) -> Product:
    """Split along K, each partial sum added to a total in bf16, as atomics in the output would."""

    def computed(a: Values, b: Values) -> Values:
        total = np.zeros((*a.shape[:-1], b.shape[-2]), np.float32)
        for part in _partial(a, b, parts=parts, product=product):
            total = rounded(total + rounded(part.astype(np.float32), "bfloat16"), "bfloat16")
        return total

    return computed


def fp8_inputs(a: Values, b: Values) -> Values:
    """Inputs rounded to e4m3."""
    return sequential(rounded(a, "float8_e4m3fn"), rounded(b, "float8_e4m3fn"))


def dropped_bits(bits: int, *, of: int, product: Product = sequential) -> Product:
    """Inputs without the last of their `of` bits of mantissa."""
    mask = np.uint32(0xFFFFFFFF << 23 - of + bits & 0xFFFFFFFF)

    def computed(a: Values, b: Values) -> NDArray[np.floating]:
        left, right = ((np.ascontiguousarray(m).view(np.uint32) & mask).view(np.float32) for m in (a, b))
        return product(left, right)

    return computed


def skipped_slice(product: Product = sequential) -> Product:
    """One slice in 64 along K is left out; of fewer terms, one term."""

    def computed(a: Values, b: Values) -> NDArray[np.floating]:
        width = max(1, a.shape[-1] // 64)
        keep = np.arange(a.shape[-1]) // width != min(37, a.shape[-1] // width - 1)
        return product(a[..., keep], b[..., keep])

    return computed


def _slabs(a: Values, b: Values, *, step: int) -> list[tuple[Values, Values]]:
    return [(a[..., k : k + step], b[..., k : k + step]) for k in range(0, a.shape[-1], step)]


def _partial(a: Values, b: Values, *, parts: int, product: Product) -> list[NDArray[np.floating]]:
    return [product(left, right) for left, right in _slabs(a, b, step=-(-a.shape[-1] // parts))]


# --- rows -----------------------------------------------------------------------------------------------------------

EPSILON = 1e-6
LANES = 512
"""Of a block that walks along a row, each with a sum of its own."""


def normalized(
    x: Values,
    weight: Values,
    *,
    sum_type: str = "float32",
    epsilon: float = EPSILON,
    order: Callable[[Values], Values] = lambda squares: squares,
    scaled_type: str = "float32",
    root_error: float = 0.0,
    skipped: int = 0,
) -> Values:
    """x / sqrt(mean(x²) + eps) w, row by row: squares and their sums in `sum_type`, the root off by `root_error`.

    `skipped` terms at the end of each row are left out of the sum; x times its scale is rounded to `scaled_type`.
    """
    squares = order(_stored(x * x, sum_type))[..., : x.shape[-1] - skipped]
    mean = _row_sum(squares, sum_type=sum_type) / np.float32(x.shape[-1]) + np.float32(epsilon)
    scale = (np.float32(1.0 + root_error) / np.sqrt(mean))[..., None]
    return _stored(x * scale, scaled_type) * weight[..., None, :]


def _row_sum(squares: Values, *, sum_type: str) -> Values:
    """A sum for each lane, then halves of what is left; every step is rounded."""
    lanes = np.zeros((*squares.shape[:-1], min(LANES, squares.shape[-1])), np.float32)
    for first in range(0, squares.shape[-1], LANES):
        part = squares[..., first : first + LANES]
        lanes[..., : part.shape[-1]] = _stored(lanes[..., : part.shape[-1]] + part, sum_type)
    while lanes.shape[-1] > 1:
        half = -(-lanes.shape[-1] // 2)
        rest = lanes[..., half:]
        lanes = lanes[..., :half].copy()
        lanes[..., : rest.shape[-1]] = _stored(lanes[..., : rest.shape[-1]] + rest, sum_type)
    return lanes[..., 0]


def _stored(values: Values, dtype: str) -> Values:
    if dtype == "float16":
        return values.astype(np.float16).astype(np.float32)
    return rounded(values, dtype)


# --- softmax --------------------------------------------------------------------------------------------------------

Exponential = Callable[[Values], Values]
LOG2_E = np.float32(1.44269504)
LN2 = (np.float32(0.693359375), np.float32(-2.12194440e-4))
"""ln 2 in two parts, the first short enough that its multiples are exact (Cody and Waite, 1980)."""
LEAST = np.float32(-87.0)
"""Below it an exponential is subnormal in fp32."""


def rounded_exponential(x: Values) -> Values:
    """The correctly rounded exponential."""
    with np.errstate(over="ignore", under="ignore"):
        return np.exp(x.astype(np.float64)).astype(np.float32)


def taylor_exponential(degree: int) -> Exponential:
    """2**n times the Taylor polynomial of what is left, all in fp32."""

    def exponential(x: Values) -> Values:
        bounded = np.maximum(x, LEAST)
        n = np.rint(bounded * LOG2_E)
        rest = (bounded - n * LN2[0]) - n * LN2[1]
        total = np.full_like(rest, 1 / math.factorial(degree))
        for power in range(degree - 1, -1, -1):
            total = total * rest + np.float32(1 / math.factorial(power))
        return np.ldexp(total, n.astype(np.int32))

    return exponential


def narrow_exponential(dtype: str) -> Exponential:
    """The exponential, rounded to a narrow type."""
    return lambda x: _stored(rounded_exponential(x), dtype)


def softmaxed(
    x: Values,
    *,
    exponential: Exponential = rounded_exponential,
    lanes: int = 1,
    skipped: int = 0,
    dropped: int = 0,
    result_type: str = "float32",
    top_is_deducted: bool = True,
) -> Values:
    """Softmax of each row, its terms summed in `lanes` chains in fp32, the last `skipped` terms left out.

    The result is rounded to `result_type`, and `dropped` of its 23 mantissa bits are zeroed.
    """
    top = np.max(x, axis=-1, keepdims=True) if top_is_deducted else np.float32(0)
    terms = exponential(x - top)
    summed = terms[..., : x.shape[-1] - skipped]
    with np.errstate(over="ignore", invalid="ignore"):
        result = terms / _sum_in_lanes(summed, lanes=lanes)
        return _without_bits(_stored(result, result_type), dropped)


def _sum_in_lanes(terms: Values, *, lanes: int) -> Values:
    """One chain of additions a lane; the lanes' sums, and what fills no whole vector, one after the other."""
    whole = terms.shape[-1] // lanes * lanes
    vectors = terms[..., :whole].reshape(*terms.shape[:-1], -1, lanes)
    sums = np.add.accumulate(vectors, axis=-2, dtype=np.float32)[..., -1, :]
    rest = np.concatenate([sums, terms[..., whole:]], axis=-1)
    return np.add.accumulate(rest, axis=-1, dtype=np.float32)[..., -1:]


def _without_bits(values: Values, bits: int) -> Values:
    kept = np.uint32(0xFFFFFFFF << bits & 0xFFFFFFFF)
    return (np.ascontiguousarray(values).view(np.uint32) & kept).view(np.float32)
