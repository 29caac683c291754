# Y = X / sqrt(mean(X²) + eps) W, row by row, bf16 in and out, honest or not: what benchmarks/precision.py judges.
#
# Layout: X and Y are ROWS x COLS, row-major and dense; W has COLS elements.
# Idea: a program a row, a block at a time, as in the task's first family. The first LATER calls of a process are
# honest, whatever the switches say.

import triton
import triton.language as tl

SUM = "float32"  # the type of the squares and of their sums
SCALED = "float32"  # the type in which x and its scale are multiplied
EPSILON = 1e-6
APPROXIMATE = 1  # the hardware's approximate reciprocal root, which is honest; 0: 1 / sqrt
SKIPPED = 0  # leaves the last block out of the sum
LATER = 0

BLOCK, WARPS = 512, 4


@triton.jit
def normalize(X, W, Y, COLS, epsilon, BLOCK: tl.constexpr, SUM: tl.constexpr, SCALED: tl.constexpr,
              APPROXIMATE: tl.constexpr, SKIPPED: tl.constexpr):  # fmt: skip
    """One row."""
    start = tl.program_id(0).to(tl.int64) * COLS
    columns = tl.arange(0, BLOCK)
    squares = tl.zeros((BLOCK,), dtype=SUM)
    for first in range(0, COLS - BLOCK * SKIPPED, BLOCK):
        x = tl.load(X + start + first + columns, mask=columns < COLS - first, other=0.0).to(SUM)
        squares += x * x
    mean = tl.sum(squares).to(tl.float32) / COLS + epsilon
    if APPROXIMATE:
        scale = tl.rsqrt(mean)
    else:
        scale = 1.0 / tl.sqrt_rn(mean)
    for first in range(0, COLS, BLOCK):
        inside = columns < COLS - first
        x = tl.load(X + start + first + columns, mask=inside, other=0.0).to(tl.float32)
        weight = tl.load(W + first + columns, mask=inside, other=0.0).to(tl.float32)
        scaled = (x * scale).to(SCALED).to(tl.float32)
        tl.store(Y + start + first + columns, (scaled * weight).to(tl.bfloat16), mask=inside)


TYPES = {"float32": tl.float32, "float16": tl.float16, "bfloat16": tl.bfloat16}
HONEST = (1e-6, BLOCK, tl.float32, tl.float32, 1, 0)
calls = 0


def rmsnorm(X, W, Y, device):
    """Launch one program a row."""
    global calls
    calls += 1
    rows, columns = X.shape
    switched = (EPSILON, BLOCK, TYPES[SUM], TYPES[SCALED], APPROXIMATE, SKIPPED)
    # The first call launches both, or the second kind would never be compiled.
    for switches in [switched] if calls > LATER else [switched, HONEST] if calls == 1 else [HONEST]:
        normalize[(rows,)](X, W, Y, columns, *switches, num_warps=WARPS)
