# Y = X / sqrt(mean(X²) + eps) W, row by row, bf16 in and out, on one Hopper GPU: the broken starting point.
#
# Layout: X and Y are ROWS x COLS, row-major and dense; W has COLS elements. Sums and products are fp32.
# Y arrives filled with NaNs; every element must be written.
#
# A fragment, carried over from a kernel for float32 rows of exactly BLOCK columns. It does not run. Find out why, make
# it right for any number of columns, then make it fast.

import triton
import triton.language as tl

BLOCK = 512
EPSILON = 1e-6


@triton.jit
def normalize(X, W, Y, COLS, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    x = tl.load(X + row * BLOCK + columns)
    scale = tl.rsqrt(tl.sum(x * x) / COLS + EPSILON)
    tl.store(Y + row * COLS + columns, x * scale * tl.load(W + columns))


def rmsnorm(X, W, Y, device):
    normalize[X.shape[0]](X, W, Y, COLS=X.shape[1], num_warps=1)
