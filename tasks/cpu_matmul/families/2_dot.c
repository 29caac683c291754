// C[M,N] = A[M,K] B[N,K]ᵀ in fp32 on one core, as vector dot products.
//
// Layout: A is M x K, B is N x K, C is M x N; all row-major, so a row of A and a row of B are both contiguous in k.
// Idea: element (i, j) is one dot product. CHAINS vectors accumulate it side by side, so that the latency of one
// fused multiply-add hides behind the others, and BLOCK rows of B stay in the cache while all rows of A pass by.
// hypothesis: reading both operands along k, a vector at a time, uses every byte of a cache line and all lanes.

#include <string.h>

#define CHAINS 2  // knob: 1 2 4 8
#define BLOCK 8   // knob: 1 8 32 128

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif
#define STEP (CHAINS * LANES)

typedef float vec __attribute__((vector_size(4 * LANES)));

static inline vec load(const float *from)
{
    vec v;
    memcpy(&v, from, sizeof v);  // rows need not start at a multiple of the vector
    return v;
}

static float dot(const float *a, const float *b, long K)
{
    vec sums[CHAINS] = {0};
    long k = 0;
    for (; k + STEP <= K; k += STEP)
#pragma GCC unroll 8
        for (int c = 0; c < CHAINS; c++)
            sums[c] += load(a + k + c * LANES) * load(b + k + c * LANES);
    float sum = 0;
    for (; k < K; k++)
        sum += a[k] * b[k];
    for (int c = 0; c < CHAINS; c++)
        for (int lane = 0; lane < LANES; lane++)
            sum += sums[c][lane];
    return sum;
}

void matmul(const float *A, const float *B, float *C, int M, int N, int K)
{
    for (long block = 0; block < N; block += BLOCK) {
        const long end = block + BLOCK < N ? block + BLOCK : N;
        for (long i = 0; i < M; i++)
            for (long j = block; j < end; j++)
                C[i * N + j] = dot(A + i * K, B + j * K, K);
    }
}
