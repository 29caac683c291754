# Y = X / sqrt(mean(X²) + eps) W, row by row, bf16 in and out, on one Hopper GPU: a program a row, a block at a time.
#
# Layout: X and Y are ROWS x COLS, row-major and dense; W has COLS elements. Sums and products are fp32.
# Idea: one walk along the row sums the squares, a second one scales; the second reading comes out of a cache. With the
# default values this is the skeleton, repaired.
# hypothesis: short blocks leave few bytes under way; longer ones and more warps keep the memory busier.

import triton
import triton.language as tl

BLOCK = 512  # knob: 512 1024 2048 4096 8192
WARPS = 1  # knob: 1 2 4 8
# require: BLOCK <= WARPS * 2048
EPSILON = 1e-6


@triton.jit
def normalize(X, W, Y, COLS, epsilon, BLOCK: tl.constexpr):
    """One row."""
    start = tl.program_id(0) * COLS
    columns = tl.arange(0, BLOCK)
    squares = tl.zeros((BLOCK,), dtype=tl.float32)
    for first in range(0, COLS, BLOCK):
        x = tl.load(X + start + first + columns, mask=columns < COLS - first, other=0.0).to(tl.float32)
        squares += x * x
    scale = tl.rsqrt(tl.sum(squares) / COLS + epsilon)
    for first in range(0, COLS, BLOCK):
        inside = columns < COLS - first
        x = tl.load(X + start + first + columns, mask=inside, other=0.0).to(tl.float32)
        weight = tl.load(W + first + columns, mask=inside, other=0.0).to(tl.float32)
        tl.store(Y + start + first + columns, (x * scale * weight).to(tl.bfloat16), mask=inside)


def rmsnorm(X, W, Y, device):
    """Launch one program a row."""
    rows, columns = X.shape
    normalize[(rows,)](X, W, Y, columns, EPSILON, BLOCK, num_warps=WARPS)
