/* Dot products with several accumulators.
 *
 * hypothesis: independent sums hide the latency of the addition
 */
#define LANES 1  // knob: 1 2 4 8
#define COLUMNS 1  // knob: 1 2 4
// require: LANES * COLUMNS <= 16

static float dot(const float *a, const float *b, int K)
{
    float sums[LANES] = {0};
    int k = 0;
    for (; k + LANES <= K; k += LANES)
        for (int lane = 0; lane < LANES; lane++)
            sums[lane] += a[k + lane] * b[k + lane];
    for (; k < K; k++)
        sums[0] += a[k] * b[k];
    for (int lane = 1; lane < LANES; lane++)
        sums[0] += sums[lane];
    return sums[0];
}

void matmul(const float *A, const float *B, float *C, int M, int N, int K)
{
    for (int i = 0; i < M; i++)
        for (int j0 = 0; j0 < N; j0 += COLUMNS)
            for (int j = j0; j < j0 + COLUMNS && j < N; j++)
                C[i * N + j] = dot(A + i * K, B + j * K, K);
}
