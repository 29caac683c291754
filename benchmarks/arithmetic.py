"""Emulates in numpy the rounding of kernels that compute honestly, and of kernels that compute with less precision.

Matrices are float32 arrays [..., rows, K] whose values the element type can represent; leading dimensions are separate
problems. The model of fp8 tensor cores follows Khattak and Mikaitis, "Accurate models of NVIDIA tensor cores" (2025),
and measurements in docs/experiments.md: they align 32 products and the accumulator to the largest of these, keep 13
bits after its leading bit, and truncate.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.checking.rounding import Values, rounded

Product = Callable[[Values, Values], NDArray[np.floating]]
"""Computes C = A Bᵀ from A and B, as accumulated, before C is rounded to the output's type."""

TENSOR_STEP, TENSOR_BITS = 32, 13
"""fp8 tensor cores: products that are added at once, and bits that are kept after the leading one."""
HALF_STEP = 16
"""Products that a tensor core adds before it rounds the sum to fp16."""
TILE = 64
"""Terms along K in one tile."""


# --- products: honest orders ----------------------------------------------------------------------------------------


def sequential(a: Values, b: Values) -> Values:
    """Return A Bᵀ with the terms of each sum added one after the other in fp32."""
    total = np.zeros((*a.shape[:-1], b.shape[-2]), np.float32)
    for k in range(a.shape[-1]):
        total += a[..., :, None, k] * b[..., None, :, k]
    return total


def reversed_order(a: Values, b: Values) -> Values:
    """Return A Bᵀ with the terms of each sum added in fp32 from the last to the first."""
    return sequential(a[..., ::-1], b[..., ::-1])


def pairwise(a: Values, b: Values) -> Values:
    """Return A Bᵀ in fp32 by pairwise summation: each sum is the sum of its two halves, down to 8 terms."""
    terms = a.shape[-1]
    if terms <= 8:
        return sequential(a, b)
    half = terms // 2
    return pairwise(a[..., :half], b[..., :half]) + pairwise(a[..., half:], b[..., half:])


def by_tiles(a: Values, b: Values) -> Values:
    """Return A Bᵀ in fp32 with a separate sum for each tile of 64 terms, added to the total."""
    total = np.zeros((*a.shape[:-1], b.shape[-2]), np.float32)
    for part in _slabs(a, b, step=TILE):
        total += sequential(*part)
    return total


def split_k(a: Values, b: Values, *, parts: int = 4) -> Values:
    """Return A Bᵀ with K split into `parts`, whose fp32 partial sums are added at the end."""
    total: Values = np.sum(_partial(a, b, parts=parts, product=sequential), axis=0, dtype=np.float32)
    return total


def fast_accumulation(a: Values, b: Values) -> NDArray[np.floating]:
    """Return A Bᵀ as fp8 tensor cores accumulate it ("fast accumulation", as the vendor's library does)."""
    total = np.zeros((*a.shape[:-1], b.shape[-2]))
    for left, right in _slabs(a, b, step=TENSOR_STEP):
        terms = left[..., :, None, :].astype(np.float64) * right[..., None, :, :]
        largest = np.maximum(np.abs(terms).max(axis=-1), np.abs(total))
        quantum = np.ldexp(1.0, np.frexp(largest)[1] - 1 - TENSOR_BITS)
        total = (np.trunc(total / quantum) + np.trunc(terms / quantum[..., None]).sum(axis=-1)) * quantum
        total = _truncated(total)
    return total


def fast_accumulation_by_parts(a: Values, b: Values) -> NDArray[np.floating]:
    """Return A Bᵀ with K split in two; tensor cores accumulate each half, and the halves are added in fp32."""
    total: NDArray[np.floating] = np.sum(_partial(a, b, parts=2, product=fast_accumulation), axis=0)
    return total


def _truncated(values: NDArray[np.float64]) -> NDArray[np.float64]:
    quantum = np.ldexp(1.0, np.frexp(values)[1] - 1 - TENSOR_BITS)
    return np.asarray(np.trunc(values / quantum) * quantum)


# --- products: dishonest --------------------------------------------------------------------------------------------


def fp16_accumulation(a: Values, b: Values) -> Values:
    """Return A Bᵀ with the total rounded to fp16 after every 16 terms."""
    total = np.zeros((*a.shape[:-1], b.shape[-2]), np.float32)
    for left, right in _slabs(a, b, step=HALF_STEP):
        total = (total + left @ np.swapaxes(right, -1, -2)).astype(np.float16).astype(np.float32)
    return total


def fp16_fast_accumulation(a: Values, b: Values) -> NDArray[np.floating]:
    """Return A Bᵀ as fp8 tensor cores accumulate it in fp16."""
    total = np.zeros((*a.shape[:-1], b.shape[-2]))
    for left, right in _slabs(a, b, step=TENSOR_STEP):
        terms = left[..., :, None, :].astype(np.float64) * right[..., None, :, :]
        largest = np.maximum(np.abs(terms).max(axis=-1), np.abs(total))
        quantum = np.ldexp(1.0, np.frexp(largest)[1] - 1 - TENSOR_BITS)
        total = (np.trunc(total / quantum) + np.trunc(terms / quantum[..., None]).sum(axis=-1)) * quantum
        total = total.astype(np.float16).astype(np.float64)
    return total


def bf16_partials(parts: int, product: Product = sequential) -> Product:
    """Return a product that splits K into `parts` and rounds the partial sums to bf16 before it adds them."""

    def computed(a: Values, b: Values) -> Values:
        kept = [rounded(part.astype(np.float32), "bfloat16") for part in _partial(a, b, parts=parts, product=product)]
        total: Values = np.sum(kept, axis=0, dtype=np.float32)
        return total

    return computed


def bf16_running_sum(parts: int, product: Product = sequential) -> Product:
    """Return a product that splits K into `parts` and adds each to a bf16 total, as atomic additions would."""

    def computed(a: Values, b: Values) -> Values:
        total = np.zeros((*a.shape[:-1], b.shape[-2]), np.float32)
        for part in _partial(a, b, parts=parts, product=product):
            total = rounded(total + rounded(part.astype(np.float32), "bfloat16"), "bfloat16")
        return total

    return computed


def fp8_inputs(a: Values, b: Values) -> Values:
    """Return A Bᵀ of inputs that are first rounded to fp8 (e4m3)."""
    return sequential(rounded(a, "float8_e4m3fn"), rounded(b, "float8_e4m3fn"))


def dropped_bits(bits: int, *, of: int, product: Product = sequential) -> Product:
    """Return a product of inputs in which the last `bits` of their `of` mantissa bits are zeroed."""
    mask = np.uint32(0xFFFFFFFF << 23 - of + bits & 0xFFFFFFFF)

    def computed(a: Values, b: Values) -> NDArray[np.floating]:
        left, right = ((np.ascontiguousarray(m).view(np.uint32) & mask).view(np.float32) for m in (a, b))
        return product(left, right)

    return computed


def skipped_slice(product: Product = sequential) -> Product:
    """Return a product that leaves out one of 64 slices along K, but at least one term."""

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
"""Threads of a block that sums a row; each thread has a partial sum of its own."""


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
    """Return the RMS norm of each row, x / sqrt(mean(x²) + epsilon) · weight.

    Squares and their sums are rounded to `sum_type`; `order` may permute the squares of a row, and the last `skipped`
    of them are left out. The root has the relative error `root_error`; x times its scale is rounded to `scaled_type`.
    """
    squares = order(_stored(x * x, sum_type))[..., : x.shape[-1] - skipped]
    mean = _row_sum(squares, sum_type=sum_type) / np.float32(x.shape[-1]) + np.float32(epsilon)
    scale = (np.float32(1.0 + root_error) / np.sqrt(mean))[..., None]
    return _stored(x * scale, scaled_type) * weight[..., None, :]


def _row_sum(squares: Values, *, sum_type: str) -> Values:
    """Return the sum of each row: one partial sum per lane, then a tree over the lanes; all rounded to `sum_type`."""
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
"""Arguments below this have a subnormal exponential in fp32."""


def rounded_exponential(x: Values) -> Values:
    """Return the exponential of fp32 values, correctly rounded to fp32."""
    with np.errstate(over="ignore", under="ignore"):
        return np.exp(x.astype(np.float64)).astype(np.float32)


def taylor_exponential(degree: int) -> Exponential:
    """Return an fp32 exponential: 2**n times the Taylor polynomial of the rest x - n ln 2, of the given degree."""

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
    """Return an exponential whose results are rounded to the narrow type `dtype`."""
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
    """Return the softmax of each row, with the terms summed in fp32 in `lanes` interleaved partial sums.

    The last `skipped` terms are left out of the sum. The result is rounded to `result_type`, and the last `dropped` of
    its 23 mantissa bits are zeroed. The row's largest value is subtracted first if `top_is_deducted`.
    """
    top = np.max(x, axis=-1, keepdims=True) if top_is_deducted else np.float32(0)
    terms = exponential(x - top)
    summed = terms[..., : x.shape[-1] - skipped]
    with np.errstate(over="ignore", invalid="ignore"):
        result = terms / _sum_in_lanes(summed, lanes=lanes)
        return _without_bits(_stored(result, result_type), dropped)


def _sum_in_lanes(terms: Values, *, lanes: int) -> Values:
    """Return the fp32 sum of each row: one partial sum per lane, then these and the remaining terms in sequence."""
    whole = terms.shape[-1] // lanes * lanes
    vectors = terms[..., :whole].reshape(*terms.shape[:-1], -1, lanes)
    sums = np.add.accumulate(vectors, axis=-2, dtype=np.float32)[..., -1, :]
    rest = np.concatenate([sums, terms[..., whole:]], axis=-1)
    return np.add.accumulate(rest, axis=-1, dtype=np.float32)[..., -1:]


def _without_bits(values: Values, bits: int) -> Values:
    kept = np.uint32(0xFFFFFFFF << bits & 0xFFFFFFFF)
    return (np.ascontiguousarray(values).view(np.uint32) & kept).view(np.float32)
