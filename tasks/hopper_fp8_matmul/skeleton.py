# C[M,N] = A[M,K] B[N,K]ᵀ, e4m3 in, bf16 out, on one Hopper GPU: the broken starting point.
#
# Layout: A is M x K, B is N x K, C is M x N; all row-major and dense. So element (i, j) of C is the dot product of row
# i of A with row j of B. C arrives filled with NaNs; every element must be written.
#
# A fragment, carried over from a product of square float16 matrices whose right operand was stored K x N. It does not
# run. Find out why, make it right, then make it fast.

import triton
import triton.language as tl

BLOCK_M = 64
BLOCK_N = 32
BLOCK_K = 32


@triton.jit
def product(A, B, C, M, N, K, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr):
    rows = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    columns = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    ks = tl.arange(0, BLOCK_K)
    left = A + rows[:, None] * K + ks[None, :]
    right = B + ks[:, None] * N + columns[None, :]
    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float16)
    for _ in range(0, N, BLOCK_K):
        a = tl.load(left, mask=rows[:, None] < M)
        b = tl.load(right, mask=columns[None, :] < N)
        total = tl.dot(a, b, total)
        left += BLOCK_K
        right += BLOCK_K * N
    tl.store(C + rows[:, None] * N + columns[None, :], total.to(C.dtype))


def matmul(A, B, C, device):
    M, N, K = A.shape
    grid = (triton.cdiv(M, BLOCK_M), triton.cdiv(N, BLOCK_N))
    product[grid](A, B, C, M, N, K, BLOCK_M, BLOCK_N, num_warps=8, num_stages=1)
