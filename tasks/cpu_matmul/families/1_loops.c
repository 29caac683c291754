// C[M,N] = A[M,K] B[N,K]ᵀ in fp32 on one core, as plain loops.
//
// Layout: A is M x K, B is N x K, C is M x N; all row-major.
// Idea: the order i-k-j updates a whole row of C for every element of A and walks down a column of B, a cache line for
// every element. Summing RUN consecutive k before the next j uses more of each line.
// hypothesis: a right answer first; taking RUN elements of each row of B at a time wastes less of every cache line.

#define RUN 2  // knob: 2 3 4

void matmul(const float *restrict A, const float *restrict B, float *restrict C, int M, int N, int K)
{
    for (long i = 0; i < M; i++) {
        for (long j = 0; j < N; j++)
            C[i * N + j] = 0;
        for (long k = 0; k < K; k += RUN) {
            const long end = k + RUN < K ? k + RUN : K;
            for (long j = 0; j < N; j++)
                for (long p = k; p < end; p++)
                    C[i * N + j] += A[i * K + p] * B[j * K + p];
        }
    }
}
