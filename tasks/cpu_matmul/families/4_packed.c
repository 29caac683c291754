// C[M,N] = A[M,K] B[N,K]ᵀ in fp32 on one core, packed and blocked for every level of the cache.
//
// Layout: A is M x K, B is N x K, C is M x N; all row-major.
// Idea: the product is cut into slices of KC in k. Of each slice, up to MC rows of A are packed for the last level cache
// and up to NC rows of B for the second, both transposed, as panels of TILE_M and TILE_N values for each k. The
// micro-kernel keeps a TILE_M x TILE_N tile of C in registers while a panel of A (which stays in the first level cache)
// and one of B stream by. Tiles follow one another along a row of C, so that few of its pages are in use at a time.
// Panels are padded with zeros; a tile that hangs over the edge of C goes through a small buffer.
// hypothesis: unpacked rows collide in the cache and every tile sums lanes at its end; contiguous panels do neither.

#include <string.h>

#define MR 5        // knob: 4 5 6
#define NV 2        // knob: 2 3
#define KC 192      // knob: 192 256 512 1024
#define MC 512      // knob: 256 512 1024
#define NC 64       // knob: 64 96 128 256
#define UNROLL 2    // knob: 1 2 4
#define PREFETCH 0  // knob: 0 4 8
// require: MR * NV >= 10
// require: MR * NV <= 12

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

#if defined(__AVX512F__) || defined(__aarch64__)
#define TILE_M (2 * MR)  // 32 vector registers hold twice the tile that 16 do
#else
#define TILE_M MR
#endif
#define TILE_N (NV * LANES)
#define ROUND_UP(n, to) (((n) + (to) - 1) / (to) * (to))

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef float quad __attribute__((vector_size(16)));
typedef int quad_index __attribute__((vector_size(16)));

// sum += x * y, all three in registers. Left to itself, GCC 12 lets x86's forms of the instruction overwrite `x` or `y`,
// then runs out of registers, and reads operands from memory twice: loads instead of multiply-adds set the pace.
#if defined(__x86_64__) && defined(__FMA__)
#define MULTIPLY_ADD(sum, x, y) __asm__("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y))
#else
#define MULTIPLY_ADD(sum, x, y) ((sum) += (x) * (y))
#endif

// Workspace of one call: every call packs anew. Static, so that its pages are mapped once and not in every call.
static float packed_a[ROUND_UP(MC, TILE_M) * KC] __attribute__((aligned(4096)));
static float packed_b[ROUND_UP(NC, TILE_N) * KC] __attribute__((aligned(4096)));

static inline long least(long x, long y)
{
    return x < y ? x : y;
}

// to[k * width + r] = from[r * K + k] for four r and four k.
static inline void transpose_4x4(const float *from, long K, float *to, long width)
{
    quad a, b, c, d;
    memcpy(&a, from, sizeof a);
    memcpy(&b, from + K, sizeof b);
    memcpy(&c, from + 2 * K, sizeof c);
    memcpy(&d, from + 3 * K, sizeof d);
    const quad ab_low = __builtin_shuffle(a, b, (quad_index){0, 4, 1, 5});
    const quad ab_high = __builtin_shuffle(a, b, (quad_index){2, 6, 3, 7});
    const quad cd_low = __builtin_shuffle(c, d, (quad_index){0, 4, 1, 5});
    const quad cd_high = __builtin_shuffle(c, d, (quad_index){2, 6, 3, 7});
    const quad out[4] = {
        __builtin_shuffle(ab_low, cd_low, (quad_index){0, 1, 4, 5}),
        __builtin_shuffle(ab_low, cd_low, (quad_index){2, 3, 6, 7}),
        __builtin_shuffle(ab_high, cd_high, (quad_index){0, 1, 4, 5}),
        __builtin_shuffle(ab_high, cd_high, (quad_index){2, 3, 6, 7}),
    };
    for (int k = 0; k < 4; k++)
        memcpy(to + k * width, &out[k], sizeof out[k]);
}

// One panel: up to `width` rows of `from`, transposed to `width` values for each k; zeros from `rows` and from `kc` on.
static inline void pack_panel(const float *from, float *to, long width, long rows, long kc, long depth, long K)
{
    const long whole_k = rows == width ? kc / 4 * 4 : 0;
    for (long next = 0; next < width; next += 4) {  // no more rows at a time: 4096 bytes apart, they share 8 cache lines
        const long r = least(next, width - 4);      // the last four may overlap those before
        for (long k = 0; k < whole_k; k += 4) {
            for (long ahead = 0; PREFETCH && ahead < 4; ahead++)
                __builtin_prefetch(from + (r + PREFETCH + ahead) * K + k);
            transpose_4x4(from + r * K + k, K, to + k * width + r, width);
        }
    }
    for (long k = whole_k; k < depth; k++)
        for (long r = 0; r < width; r++)
            to[k * width + r] = k < kc && r < rows ? from[r * K + k] : 0;
}

static void pack_a(const float *A, long rows, long kc, long depth, long K)
{
    for (long i = 0; i < rows; i += TILE_M)
        pack_panel(A + i * K, packed_a + i * KC, TILE_M, least(TILE_M, rows - i), kc, depth, K);
}

static void pack_b(const float *B, long rows, long kc, long depth, long K)
{
    for (long j = 0; j < rows; j += TILE_N)
        pack_panel(B + j * K, packed_b + j * KC, TILE_N, least(TILE_N, rows - j), kc, depth, K);
}

// The tile at C, of row length `stride`: set to the product of two panels, or increased by it.
static inline void micro_kernel(const float *a, const float *b, float *C, long stride, long depth, int first)
{
    vec sums[TILE_M][NV] = {0};
#pragma GCC unroll 16
    for (int r = 0; r < TILE_M; r++) {
        __builtin_prefetch(C + r * stride, 1);
        __builtin_prefetch(C + r * stride + TILE_N - 1, 1);
    }
    for (long k = 0; k < depth; k += UNROLL)
#pragma GCC unroll 8
        for (int u = 0; u < UNROLL; u++) {
            vec right[NV];
#pragma GCC unroll 4
            for (int v = 0; v < NV; v++)
                right[v] = *(const vec *)(b + (k + u) * TILE_N + v * LANES);
#pragma GCC unroll 16
            for (int r = 0; r < TILE_M; r++) {
                const vec left = a[(k + u) * TILE_M + r] - (vec){0};  // in all lanes
#pragma GCC unroll 4
                for (int v = 0; v < NV; v++)
                    MULTIPLY_ADD(sums[r][v], left, right[v]);
            }
        }
#pragma GCC unroll 16
    for (int r = 0; r < TILE_M; r++)
#pragma GCC unroll 4
        for (int v = 0; v < NV; v++) {
            float *to = C + r * stride + v * LANES;
            vec old;
            memcpy(&old, to, sizeof old);
            sums[r][v] = first ? sums[r][v] : old + sums[r][v];
            memcpy(to, &sums[r][v], sizeof old);
        }
}

// A tile of which only `rows` x `columns` elements lie in C.
static void edge_tile(const float *a, const float *b, float *C, long N, long depth, int first, long rows, long columns)
{
    float tile[TILE_M * TILE_N] __attribute__((aligned(64)));
    micro_kernel(a, b, tile, TILE_N, depth, 1);
    for (long r = 0; r < rows; r++)
        for (long c = 0; c < columns; c++)
            C[r * N + c] = tile[r * TILE_N + c] + (first ? 0 : C[r * N + c]);
}

// All tiles of one block of C: every panel of B passes by each panel of A.
static void block(float *C, long rows, long columns, long N, long depth, int first)
{
    for (long i = 0; i < rows; i += TILE_M)
        for (long j = 0; j < columns; j += TILE_N) {
            const float *a = packed_a + i * KC, *b = packed_b + j * KC;
            if (i + TILE_M <= rows && j + TILE_N <= columns)
                micro_kernel(a, b, C + i * N + j, N, depth, first);
            else
                edge_tile(a, b, C + i * N + j, N, depth, first, least(TILE_M, rows - i), least(TILE_N, columns - j));
        }
}

void matmul(const float *A, const float *B, float *C, int M, int N, int K)
{
    for (long i = 0; i < M; i += MC)
        for (long k = 0; k < K; k += KC) {
            const long rows = least(MC, M - i), kc = least(KC, K - k), depth = ROUND_UP(kc, UNROLL);
            pack_a(A + i * K + k, rows, kc, depth, K);
            for (long j = 0; j < N; j += NC) {
                const long columns = least(NC, N - j);
                pack_b(B + j * K + k, columns, kc, depth, K);
                block(C + i * N + j, rows, columns, N, depth, k == 0);
            }
        }
}
