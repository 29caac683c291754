# C[M,N] = A[M,K] B[N,K]ᵀ, e4m3 in, bf16 out, honest or not, by the switches below: what benchmarks/precision.py judges.
#
# Layout: A is M x K, B is N x K, C is M x N; all row-major and dense.
# Idea: a tile of C a program, fed by the copy engine, as in the task's second family. Fast accumulation is honest here:
# PROMOTED = 0 lets the tensor cores add all of K, as the vendor's library does. Partial sums are rounded as if they had
# been written, and added to the total. The first LATER calls of a process are honest, whatever the switches say.

import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

PROMOTED = 0  # terms, 32 or 64, after which the tensor cores' sum is added to one in fp32
PARTS = 1  # partial sums along K
BF16_PARTS = 0  # ... are rounded to bf16
BF16_TOTAL = 0  # ... and so is their total, each time
FP16_SUMS = 0  # the tensor cores accumulate in fp16
DROPPED_BITS = 0  # of the 3 of the inputs' mantissa
SKIPPED = 0  # leaves out the 38th of 64 slices of K
LATER = 0

BLOCK_M, BLOCK_N, BLOCK_K, GROUP, WARPS, STAGES = 128, 128, 64, 8, 8, 3


@triton.jit
def narrowed(tile, DROPPED_BITS: tl.constexpr):
    """Without the last bits of the mantissa."""
    if DROPPED_BITS == 0:
        return tile
    words = tile.to(tl.uint8, bitcast=True) & (256 - (1 << DROPPED_BITS))
    return words.to(tl.float8e4nv, bitcast=True)


@triton.jit
def product(left, right, out, M, N, K, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
            GROUP: tl.constexpr, PROMOTED: tl.constexpr, PARTS: tl.constexpr, BF16_PARTS: tl.constexpr,
            BF16_TOTAL: tl.constexpr, FP16_SUMS: tl.constexpr, DROPPED_BITS: tl.constexpr,
            SKIPPED: tl.constexpr):  # fmt: skip
    """One tile of C, found from the program's number in grouped order."""
    number = tl.program_id(0)
    tall, wide = tl.cdiv(M, BLOCK_M), tl.cdiv(N, BLOCK_N)
    first = number // (GROUP * wide) * GROUP
    height = min(tall - first, GROUP)
    within = number % (GROUP * wide)
    row, column = (first + within % height) * BLOCK_M, within // height * BLOCK_N
    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    length = tl.cdiv(tl.cdiv(K, PARTS), BLOCK_K) * BLOCK_K
    for begin in range(0, K, length):
        if FP16_SUMS:
            part = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float16)
        else:
            part = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
        for k in range(begin, min(begin + length, K), BLOCK_K):
            here = k
            if SKIPPED:
                # Read beyond the edge, a slice is zero.
                here = tl.where(k * 64 // K == 37, K, k)
            a = narrowed(left.load([row, here]), DROPPED_BITS)
            b = narrowed(right.load([column, here]), DROPPED_BITS)
            if FP16_SUMS:
                part = tl.dot(a, b.T, part, out_dtype=tl.float16)
            elif PROMOTED:
                part = tl.dot(a, b.T, part, max_num_imprecise_acc=PROMOTED)
            else:
                part = tl.dot(a, b.T, part)
        if BF16_PARTS:
            total += part.to(tl.bfloat16).to(tl.float32)
        else:
            total += part.to(tl.float32)
        if BF16_TOTAL:
            total = total.to(tl.bfloat16).to(tl.float32)
    out.store([row, column], total.to(tl.bfloat16))


HONEST = (0, 1, 0, 0, 0, 0, 0)
calls = 0


def matmul(A, B, C, device):
    """Launch one program a tile."""
    global calls
    calls += 1
    (M, K), N = A.shape, B.shape[0]
    left = TensorDescriptor(A, [M, K], [K, 1], [BLOCK_M, BLOCK_K])
    right = TensorDescriptor(B, [N, K], [K, 1], [BLOCK_N, BLOCK_K])
    out = TensorDescriptor(C, [M, N], [N, 1], [BLOCK_M, BLOCK_N])
    grid = (triton.cdiv(M, BLOCK_M) * triton.cdiv(N, BLOCK_N),)
    switched = (PROMOTED, PARTS, BF16_PARTS, BF16_TOTAL, FP16_SUMS, DROPPED_BITS, SKIPPED)
    # The first call launches both, or the second kind would never be compiled.
    for switches in [switched] if calls > LATER else [switched, HONEST] if calls == 1 else [HONEST]:
        product[grid](left, right, out, M, N, K, BLOCK_M, BLOCK_N, BLOCK_K, GROUP, *switches, num_warps=WARPS,
                      num_stages=STAGES)  # fmt: skip
