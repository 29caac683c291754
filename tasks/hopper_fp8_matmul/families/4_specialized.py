# C[M,N] = A[M,K] B[N,K]ᵀ, e4m3 in, bf16 out, on one Hopper GPU: a warp that fetches beside warp groups that multiply.
#
# Layout: A is M x K, B is N x K, C is M x N; all row-major and dense, so rows of A and of B are contiguous in k.
# Idea: in Gluon, Triton's lower layer, a program's warps part ways. One warp, with few registers, does nothing but ask
# TMA for the next stage as soon as one is empty; two warp groups, with the registers it gave up, multiply the upper and
# the lower half of each tile. They meet in barriers in shared memory only, one full and one empty for each stage. So a
# warp group that stores its half stops neither the fetching nor, as long as stages last, the other half.
# Tiles are taken as in 3_persistent: every PROGRAMS-th of the grouped order, stored in SPLIT strips.
# hypothesis: synchronizing all warps at every step along k, and stopping all of them to store, costs tensor-core time.

import triton
from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import (
    fence_async_shared,
    mbarrier,
    tma,
    warpgroup_mma,
    warpgroup_mma_wait,
)
from triton.experimental.gluon.nvidia.hopper import TensorDescriptor

BLOCK_K = 128  # knob: 64 128
GROUP = 8  # knob: 8 16 32
SPLIT = 2  # knob: 2 4
STAGES = 4  # knob: 3 4
SPARE = 0  # knob: 0 4
BLOCK_N = 256
HALF_M = gl.constexpr(64)
"""Rows of a warp group's half of a tile."""


@gluon.jit
def place(tile, M, N, BLOCK_N: gl.constexpr, GROUP: gl.constexpr):
    """First row and column of a tile: GROUP rows of tiles are walked column by column."""
    tall, wide = gl.cdiv(M, 2 * HALF_M), gl.cdiv(N, BLOCK_N)
    first = tile // (GROUP * wide) * GROUP
    height = gl.minimum(tall - first, GROUP)
    within = tile % (GROUP * wide)
    return (first + within % height) * 2 * HALF_M, within // height * BLOCK_N


@gluon.jit
def fetch(left, right, a, b, full, empty, M, N, K, STAGES: gl.constexpr, GROUP: gl.constexpr, PROGRAMS: gl.constexpr):
    """The fetching warp: tile after tile, step after step, as soon as a stage is empty."""
    BLOCK_N: gl.constexpr = right.block_type.shape[0]
    BLOCK_K: gl.constexpr = right.block_type.shape[1]
    step = 0
    for tile in range(gl.program_id(0), gl.cdiv(M, 2 * HALF_M) * gl.cdiv(N, BLOCK_N), PROGRAMS):
        row, column = place(tile, M, N, BLOCK_N, GROUP)
        for k in range(0, K, BLOCK_K):
            stage = step % STAGES
            ready = full.index(stage)
            mbarrier.wait(empty.index(stage), (step // STAGES & 1) ^ 1)
            mbarrier.expect(ready, (2 * HALF_M + BLOCK_N) * BLOCK_K)
            tma.async_copy_global_to_shared(left, [row, k], ready, a.index(2 * stage))
            tma.async_copy_global_to_shared(right, [column, k], ready, b.index(stage))
            tma.async_copy_global_to_shared(left, [row + HALF_M, k], ready, a.index(2 * stage + 1))
            step += 1


@gluon.jit
def store(out, buffer, total, row, column, SPLIT: gl.constexpr):
    """Store in SPLIT strips, from left to right, through one buffer."""
    if SPLIT == 1:
        tma.store_wait(0)
        buffer.store(total.to(gl.bfloat16))
        fence_async_shared()
        tma.async_copy_shared_to_global(out, [row, column], buffer)
    else:
        ROWS: gl.constexpr = total.shape[0]
        HALF: gl.constexpr = total.shape[1] // 2
        near, far = gl.split(gl.permute(gl.reshape(total, (ROWS, 2, HALF)), (0, 2, 1)))
        store(out, buffer, near, row, column, SPLIT // 2)
        store(out, buffer, far, row, column + HALF, SPLIT // 2)


@gluon.jit
def multiply(out, a, b, buffer, full, empty, M, N, K, HALF: gl.constexpr, STAGES: gl.constexpr, GROUP: gl.constexpr,
             SPLIT: gl.constexpr, PROGRAMS: gl.constexpr):  # fmt: skip
    """A multiplying warp group: the upper or the lower HALF of every tile."""
    BLOCK_N: gl.constexpr = b.type.shape[1]
    BLOCK_K: gl.constexpr = b.type.shape[2]
    SUMS: gl.constexpr = gl.NVMMADistributedLayout(version=[3, 0], warps_per_cta=[4, 1], instr_shape=[16, BLOCK_N, 32])
    step = 0
    for tile in range(gl.program_id(0), gl.cdiv(M, 2 * HALF_M) * gl.cdiv(N, BLOCK_N), PROGRAMS):
        row, column = place(tile, M, N, BLOCK_N, GROUP)
        total = gl.zeros((HALF_M, BLOCK_N), dtype=gl.float32, layout=SUMS)
        for k in range(0, K, BLOCK_K):
            stage = step % STAGES
            mbarrier.wait(full.index(stage), step // STAGES & 1)
            pending = warpgroup_mma(a.index(2 * stage + HALF), b.index(stage).permute((1, 0)), total, is_async=True)
            total = warpgroup_mma_wait(num_outstanding=1, deps=(pending,))
            mbarrier.arrive(empty.index((step + STAGES - 1) % STAGES), count=1, pred=k > 0)
            step += 1
        total = warpgroup_mma_wait(num_outstanding=0, deps=(total,))
        mbarrier.arrive(empty.index((step + STAGES - 1) % STAGES), count=1)
        store(out, buffer.index(HALF), total, row + HALF * HALF_M, column, SPLIT)
    tma.store_wait(0)


@gluon.jit
def product(left, right, out, M, N, K, STAGES: gl.constexpr, GROUP: gl.constexpr, SPLIT: gl.constexpr,
            PROGRAMS: gl.constexpr):  # fmt: skip
    """Set up stages and barriers, then part ways."""
    BLOCK_N: gl.constexpr = right.block_type.shape[0]
    BLOCK_K: gl.constexpr = right.block_type.shape[1]
    a = gl.allocate_shared_memory(left.dtype, [2 * STAGES, HALF_M, BLOCK_K], left.layout)
    b = gl.allocate_shared_memory(right.dtype, [STAGES, BLOCK_N, BLOCK_K], right.layout)
    buffer = gl.allocate_shared_memory(out.dtype, [2, HALF_M, BLOCK_N // SPLIT], out.layout)
    full = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    empty = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    for stage in gl.static_range(STAGES):
        mbarrier.init(full.index(stage), count=1)
        mbarrier.init(empty.index(stage), count=2)
    fence_async_shared()
    gl.warp_specialize(
        [
            (multiply, (out, a, b, buffer, full, empty, M, N, K, 0, STAGES, GROUP, SPLIT, PROGRAMS)),
            (multiply, (out, a, b, buffer, full, empty, M, N, K, 1, STAGES, GROUP, SPLIT, PROGRAMS)),
            (fetch, (left, right, a, b, full, empty, M, N, K, STAGES, GROUP, PROGRAMS)),
        ],
        [4, 1],
        [240, 24],
    )


def matmul(A, B, C, device):
    """Launch one program on every multiprocessor but SPARE."""
    (M, K), N = A.shape, B.shape[0]
    swizzled = gl.NVMMASharedLayout(swizzle_byte_width=BLOCK_K, element_bitwidth=8, rank=2)
    stored = gl.NVMMASharedLayout(swizzle_byte_width=128, element_bitwidth=16, rank=2)
    left = TensorDescriptor(A, [M, K], [K, 1], [64, BLOCK_K], swizzled)
    right = TensorDescriptor(B, [N, K], [K, 1], [BLOCK_N, BLOCK_K], swizzled)
    out = TensorDescriptor(C, [M, N], [N, 1], [64, BLOCK_N // SPLIT], stored)
    tiles = triton.cdiv(M, 128) * triton.cdiv(N, BLOCK_N)
    programs = device.sm_count - SPARE
    product[(min(programs, tiles),)](left, right, out, M, N, K, STAGES, GROUP, SPLIT, programs, num_warps=4)
