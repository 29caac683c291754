// C[M,N] = A[M,K] B[N,K]ᵀ in fp32 on one core: the broken starting point.
//
// Layout: A is M x K, B is N x K, C is M x N; all row-major, dense, at least 64-byte aligned, none overlapping.
// So element (i, j) of C is the dot product of row i of A with row j of B. Sizes are arbitrary and at least 1.
// C arrives filled with NaNs; every element must be written.
//
// This file was carried over from a product of square matrices. It compiles, with a warning, and its results are
// wrong. Find out why, make it right, then make it fast.

void matmul(const float *A, const float *B, float *C, int M, int N, int K)
{
    for (int i = 0; i < M; i++)
        for (int k = 0; k < N; k++)
            for (int j = 0; j < N; j++)
                C[(long)i * N + j] += A[(long)i * N + k] * B[(long)k * N + j];
}
