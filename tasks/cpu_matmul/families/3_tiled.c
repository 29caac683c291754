// C[M,N] = A[M,K] B[N,K]ᵀ in fp32 on one core, a register tile of dot products at a time.
//
// Layout: A is M x K, B is N x K, C is M x N; all row-major, so rows of A and of B are contiguous in k.
// Idea: ROWS rows of A meet COLS rows of B at once. Each vector loaded serves COLS or ROWS multiply-adds instead of
// one, and the ROWS * COLS accumulators are independent. BLOCK rows of B stay in the cache while all of A passes by.
// At an edge the tile reads its last valid row again and writes less.
// hypothesis: single dot products wait for loads, two for every multiply-add; a 4 x 3 tile needs 7 for 12.

#include <string.h>

#define ROWS 2    // knob: 1 2 3 4
#define COLS 2    // knob: 1 2 3 4
#define BLOCK 24  // knob: 12 24 48 96 192
// require: ROWS * COLS <= 12

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

typedef float vec __attribute__((vector_size(4 * LANES)));

static inline vec load(const float *from)
{
    vec v;
    memcpy(&v, from, sizeof v);  // rows need not start at a multiple of the vector
    return v;
}

static inline long least(long x, long y)
{
    return x < y ? x : y;
}

// tile[r][c] = dot product of a[r] and b[c].
static inline void dots(const float *const a[ROWS], const float *const b[COLS], float tile[ROWS][COLS], long K)
{
    vec sums[ROWS][COLS] = {0};
    long k = 0;
    for (; k + LANES <= K; k += LANES) {
        vec right[COLS];
#pragma GCC unroll 4
        for (int c = 0; c < COLS; c++)
            right[c] = load(b[c] + k);
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; r++) {
            const vec left = load(a[r] + k);
#pragma GCC unroll 4
            for (int c = 0; c < COLS; c++)
                sums[r][c] += left * right[c];
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 4
        for (int c = 0; c < COLS; c++) {
            float sum = 0;
            for (long p = k; p < K; p++)
                sum += a[r][p] * b[c][p];
            for (int lane = 0; lane < LANES; lane++)
                sum += sums[r][c][lane];
            tile[r][c] = sum;
        }
}

static void tile_at(const float *A, const float *B, float *C, long i, long j, int M, int N, int K)
{
    const float *a[ROWS], *b[COLS];
    float tile[ROWS][COLS];
    for (int r = 0; r < ROWS; r++)
        a[r] = A + least(i + r, M - 1) * K;
    for (int c = 0; c < COLS; c++)
        b[c] = B + least(j + c, N - 1) * K;
    dots(a, b, tile, K);
    for (int r = 0; r < least(ROWS, M - i); r++)
        for (int c = 0; c < least(COLS, N - j); c++)
            C[(i + r) * N + j + c] = tile[r][c];
}

void matmul(const float *A, const float *B, float *C, int M, int N, int K)
{
    for (long block = 0; block < N; block += BLOCK)
        for (long i = 0; i < M; i += ROWS)
            for (long j = block; j < least(block + BLOCK, N); j += COLS)
                tile_at(A, B, C, i, j, M, N, K);
}
