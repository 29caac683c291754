# Y = X / sqrt(mean(X²) + eps) W, row by row, bf16 in and out, on one Hopper GPU: whole rows in registers.
#
# Layout: X and Y are ROWS x COLS, row-major and dense; W has COLS elements. Sums and products are fp32.
# Idea: a row is read once, with all its loads under way at the same time, summed, scaled and written from registers.
# RESIDENT programs a multiprocessor keep W in registers and take one row after another (0: a program a row). A loop
# of STAGES > 1 loads the next rows into shared memory while one is scaled and stored. What is read or written once
# need not stay in the second-level cache: EVICT says how X is read, CACHE how Y is written.
# hypothesis: reading every row twice costs time that the memory could use; one reading, with enough of them at once,
# does not.

import triton
import triton.language as tl

RESIDENT = 0  # knob: 0 1 2 4 8
WARPS = 8  # knob: 4 8 16
STAGES = 1  # knob: 1 2 3 4
EVICT = "evict_first"  # knob: "" "evict_first"
CACHE = ".cs"  # knob: "" ".cs" ".wt"
# require: RESIDENT >= 1 or STAGES == 1
# require: RESIDENT * WARPS <= 64
# require: RESIDENT * STAGES <= 12
EPSILON = 1e-6


@triton.jit
def normalize(X, W, Y, ROWS, COLS, epsilon, WIDTH: tl.constexpr, FULL: tl.constexpr, STAGES: tl.constexpr,
              EVICT: tl.constexpr, CACHE: tl.constexpr):  # fmt: skip
    """Every row whose number is the program's modulo the number of programs; FULL: a row is WIDTH columns, no fewer."""
    columns = tl.arange(0, WIDTH)
    inside = (columns < COLS) | FULL
    weight = tl.load(W + columns, mask=inside, other=0.0).to(tl.float32)
    for row in tl.range(tl.program_id(0), ROWS, tl.num_programs(0), num_stages=STAGES):
        here = row * COLS + columns
        x = tl.load(X + here, mask=inside, other=0.0, eviction_policy=EVICT).to(tl.float32)
        scale = tl.rsqrt(tl.sum(x * x) / COLS + epsilon)
        tl.store(Y + here, (x * scale * weight).to(tl.bfloat16), mask=inside, cache_modifier=CACHE)


def rmsnorm(X, W, Y, device):
    """Launch RESIDENT programs a multiprocessor, or one a row."""
    rows, columns = X.shape
    width = triton.next_power_of_2(columns)
    programs = min(rows, RESIDENT * device.sm_count) if RESIDENT else rows
    normalize[(programs,)](X, W, Y, rows, columns, EPSILON, width, width == columns, STAGES, EVICT, CACHE,
                           num_warps=WARPS)  # fmt: skip
