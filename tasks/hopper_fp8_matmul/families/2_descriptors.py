# C[M,N] = A[M,K] B[N,K]ᵀ, e4m3 in, bf16 out, on one Hopper GPU: a tile of C a program, fed by the copy engine.
#
# Layout: A is M x K, B is N x K, C is M x N; all row-major and dense, so rows of A and of B are contiguous in k.
# Idea: descriptors of A, B and C let the tensor memory accelerator (TMA) fetch whole swizzled tiles STAGES ahead, with
# no address arithmetic, no masks and no registers spent; it reads zeros beyond an edge and writes nothing there. The
# warp groups only issue matrix instructions on shared memory. Programs are numbered in groups of GROUP rows of
# tiles, so that those that run at the same time share rows of A and of B in the second-level cache.
# hypothesis: pointer loads keep the tensor cores waiting; large tiles fed by TMA, in grouped order, do not.

import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

BLOCK_M = 128  # knob: 64 128
BLOCK_N = 128  # knob: 128 256
BLOCK_K = 128  # knob: 64 128
GROUP = 8  # knob: 1 8 16
WARPS = 4  # knob: 4 8
STAGES = 3  # knob: 2 3 4
# require: BLOCK_M * BLOCK_N <= WARPS * 4096
# require: BLOCK_M >= WARPS * 16
# require: (BLOCK_M + BLOCK_N) * BLOCK_K * STAGES <= 196608


@triton.jit
def product(left, right, out, M, N, K, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
            GROUP: tl.constexpr):  # fmt: skip
    """One tile of C, found from the program's number in grouped order."""
    number = tl.program_id(0)
    tall, wide = tl.cdiv(M, BLOCK_M), tl.cdiv(N, BLOCK_N)
    first = number // (GROUP * wide) * GROUP
    height = min(tall - first, GROUP)
    within = number % (GROUP * wide)
    row, column = (first + within % height) * BLOCK_M, within // height * BLOCK_N
    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for k in range(0, K, BLOCK_K):
        a = left.load([row, k])
        b = right.load([column, k])
        total = tl.dot(a, b.T, total)
    out.store([row, column], total.to(tl.bfloat16))


def matmul(A, B, C, device):
    """Launch one program a tile."""
    (M, K), N = A.shape, B.shape[0]
    left = TensorDescriptor(A, [M, K], [K, 1], [BLOCK_M, BLOCK_K])
    right = TensorDescriptor(B, [N, K], [K, 1], [BLOCK_N, BLOCK_K])
    out = TensorDescriptor(C, [M, N], [N, 1], [BLOCK_M, BLOCK_N])
    grid = (triton.cdiv(M, BLOCK_M) * triton.cdiv(N, BLOCK_N),)
    product[grid](left, right, out, M, N, K, BLOCK_M, BLOCK_N, BLOCK_K, GROUP, num_warps=WARPS, num_stages=STAGES)
