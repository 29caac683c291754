/* Dot products in vector registers.
 *
 * hypothesis: eight products a register do eight times the work of one
 */
#define WIDTH 4  // knob: 4 8
#define UNROLL 1  // knob: 1 2 4

typedef float vec __attribute__((vector_size(4 * WIDTH), aligned(4)));

static float dot(const float *a, const float *b, int K)
{
    vec sums[UNROLL] = {{0}};
    float sum = 0;
    int k = 0;
    for (; k + WIDTH * UNROLL <= K; k += WIDTH * UNROLL)
        for (int u = 0; u < UNROLL; u++)
            sums[u] += *(const vec *)(a + k + u * WIDTH) * *(const vec *)(b + k + u * WIDTH);
    for (; k < K; k++)
        sum += a[k] * b[k];
    for (int u = 0; u < UNROLL; u++)
        for (int lane = 0; lane < WIDTH; lane++)
            sum += sums[u][lane];
    return sum;
}

void matmul(const float *A, const float *B, float *C, int M, int N, int K)
{
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++)
            C[i * N + j] = dot(A + i * K, B + j * K, K);
}
