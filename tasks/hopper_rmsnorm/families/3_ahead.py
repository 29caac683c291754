# Y = X / sqrt(mean(X²) + eps) W, row by row, bf16 in and out, on one Hopper GPU: rows asked for before they are needed.
#
# Layout: X and Y are ROWS x COLS, row-major and dense; W has COLS elements. Sums and products are fp32.
# Idea: whole rows in registers, a program a row, as in 2_vector; but each program also asks for the row that lies AHEAD
# of its own, line by line, to be brought into the second-level cache. Registers bound how many rows are under way in a
# multiprocessor; the cache holds many more, so the memory always has requests in its queues, and the translation of
# addresses never seen before (the sets of a batch are larger than what the GPU remembers) is waited for by nobody.
# measured: 86.9 % of 3.35 TB/s as it stands, on an H100 SXM, 2026-11-24; 2_vector with 4 warps 77.7 % beside it.
# hypothesis: what 2_vector lacks are requests under way; some 3 MB of them ahead keep the memory busy.

import triton
import triton.language as tl

AHEAD = 198  # knob: 132 198 264 396 528
WARPS = 4  # knob: 4 8
EVICT = "evict_first"  # knob: "" "evict_first"
CACHE = ".cs"  # knob: "" ".cs"
LINE = 64
EPSILON = 1e-6


@triton.jit
def ask_for(pointers):
    """Bring the lines at these addresses into the second-level cache; nobody waits for them."""
    tl.inline_asm_elementwise(
        "prefetch.global.L2 [$1]; mov.u32 $0, 0;", "=r,l", [pointers.to(tl.int64)], tl.int32, is_pure=False, pack=1
    )


@triton.jit
def normalize(X, W, Y, ROWS, COLS, epsilon, WIDTH: tl.constexpr, FULL: tl.constexpr, AHEAD: tl.constexpr,
              LINE: tl.constexpr, EVICT: tl.constexpr, CACHE: tl.constexpr):  # fmt: skip
    """One row; FULL: a row is WIDTH columns, no fewer."""
    row = tl.program_id(0)
    if row + AHEAD < ROWS:
        ask_for(X + (row + AHEAD) * COLS + tl.minimum(tl.arange(0, WIDTH // LINE) * LINE, COLS - 1))
    columns = tl.arange(0, WIDTH)
    inside = (columns < COLS) | FULL
    here = row * COLS + columns
    x = tl.load(X + here, mask=inside, other=0.0, eviction_policy=EVICT).to(tl.float32)
    weight = tl.load(W + columns, mask=inside, other=0.0).to(tl.float32)
    scale = tl.rsqrt(tl.sum(x * x) / COLS + epsilon)
    tl.store(Y + here, (x * scale * weight).to(tl.bfloat16), mask=inside, cache_modifier=CACHE)


def rmsnorm(X, W, Y, device):
    """Launch one program a row."""
    rows, columns = X.shape
    width = max(triton.next_power_of_2(columns), LINE)
    normalize[(rows,)](X, W, Y, rows, columns, EPSILON, width, width == columns, AHEAD, LINE, EVICT, CACHE,
                       num_warps=WARPS)  # fmt: skip
