// Y[r, :] = softmax(X[r, :]) in fp32 on one core, with an exponential of vectors and one row at a time in the cache.
//
// Layout: X and Y are ROWS x COLS, row-major, dense; with an odd COLS rows are aligned to 4 bytes only.
// Idea: exp(x) = 2^n exp(r) with n = round(x / ln 2) and |r| <= ln(2) / 2: a Taylor polynomial of degree 6 in r, at most
// 1.7e-7 of the result off, and n added to the exponent field. A row's exponentials wait in a workspace in the cache, so
// memory is read once and written once. While they are computed, the row that lies AHEAD rows further on is prefetched;
// memory would rest otherwise. PAST stores Y past the caches, which saves reading its lines first. Where a row is longer
// than the workspace, Y itself is the workspace.
// hypothesis: vectors make the exponential cheaper than memory; then what counts is that memory never rests.

#include <string.h>

#define UNROLL 1  // knob: 1 2 4
#define AHEAD 0   // knob: 0 1 2
#define PAST 0    // knob: 0 1

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif
#define STEP (UNROLL * LANES)

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int ints __attribute__((vector_size(4 * LANES)));

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__AVX512F__)
#define LARGER(a, b) ((vec)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define STORE_PAST(to, v) _mm512_stream_ps(to, (__m512)(v))
#elif defined(__AVX2__)
#define LARGER(a, b) ((vec)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define STORE_PAST(to, v) _mm256_stream_ps(to, (__m256)(v))
#elif defined(__x86_64__)
#define LARGER(a, b) ((vec)_mm_max_ps((__m128)(a), (__m128)(b)))
#define STORE_PAST(to, v) _mm_stream_ps(to, (__m128)(v))
#else
#define LARGER(a, b) ((vec)(((ints)(a) & ((a) > (b))) | ((ints)(b) & ~((a) > (b)))))
#define STORE_PAST(to, v) memcpy(to, &(v), sizeof(vec))
#endif

enum { MOST = 1 << 14 };  // columns of the workspace: 64 KiB
static float workspace[MOST] __attribute__((aligned(64)));

static inline vec load(const float *from)
{
    vec v;
    memcpy(&v, from, sizeof v);  // rows need not start at a multiple of the vector
    return v;
}

// exp(x) for x <= 0. Below -87 the result would be subnormal or 0; exp(-87) = 1.6e-38 is returned as 0.
static inline vec exponential(vec x)
{
    const vec zero = {0}, magic = zero + 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
    const vec least = zero - 87.0f, bounded = LARGER(x, least);
    const vec shifted = bounded * 1.44269504f + magic, n = shifted - magic;
    const vec r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts (Cody and Waite)
    vec p = zero + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    const ints scaled = (ints)p + ((ints)shifted << 23);  // the low bits of `shifted` are n
    return (vec)(scaled & (ints)(x > least));
}

static inline float one_exponential(float x)
{
    return exponential((vec){0} + x)[0];
}

static inline float sum_of(const vec *v)
{
    vec all = {0};
    float sum = 0;
    for (int u = 0; u < UNROLL; u++)
        all += v[u];
    for (int lane = 0; lane < LANES; lane++)
        sum += all[lane];
    return sum;
}

static inline float largest(const float *x, long n)
{
    vec tops[UNROLL];
    float top = x[0];
    long c = 0;
    for (int u = 0; u < UNROLL; u++)
        tops[u] = (vec){0} + top;
    for (; c + STEP <= n; c += STEP)
#pragma GCC unroll 4
        for (int u = 0; u < UNROLL; u++)
            tops[u] = LARGER(load(x + c + u * LANES), tops[u]);
    for (; c < n; c++)
        top = x[c] > top ? x[c] : top;
    for (int u = 0; u < UNROLL; u++)
        for (int lane = 0; lane < LANES; lane++)
            top = tops[u][lane] > top ? tops[u][lane] : top;
    return top;
}

// e[c] = exp(x[c] - top) of a row; returns their sum. `next` is read into the cache meanwhile, `end` is its end.
static inline float exponentials(const float *x, float *e, long n, float top, const float *next, const float *end)
{
    vec sums[UNROLL] = {0};
    float sum = 0;
    long c = 0;
    for (; c + STEP <= n; c += STEP) {
        if (AHEAD && next + c < end)
            for (int line = 0; line < STEP; line += 16)
                __builtin_prefetch(next + c + line);
#pragma GCC unroll 4
        for (int u = 0; u < UNROLL; u++) {
            const vec v = exponential(load(x + c + u * LANES) - top);
            sums[u] += v;
            memcpy(e + c + u * LANES, &v, sizeof v);
        }
    }
    for (; c < n; c++)
        sum += e[c] = one_exponential(x[c] - top);
    return sum + sum_of(sums);
}

// y[c] = e[c] * factor.
static inline void scale(const float *e, float *y, long n, float factor)
{
    long c = 0;
    const int past = PAST && e != y;
    for (; past && c < n && (size_t)(y + c) % sizeof(vec); c++)
        y[c] = e[c] * factor;
    for (; c + STEP <= n; c += STEP)
#pragma GCC unroll 4
        for (int u = 0; u < UNROLL; u++) {
            const vec v = load(e + c + u * LANES) * factor;
            if (past)
                STORE_PAST(y + c + u * LANES, v);
            else
                memcpy(y + c + u * LANES, &v, sizeof v);
        }
    for (; c < n; c++)
        y[c] = e[c] * factor;
}

void softmax(const float *X, float *Y, int ROWS, int COLS)
{
    const float *end = X + (long)ROWS * COLS;
    for (long r = 0; r < ROWS; r++) {
        const float *x = X + r * COLS;
        float *y = Y + r * COLS, *e = COLS <= MOST ? workspace : y;
        const float sum = exponentials(x, e, COLS, largest(x, COLS), x + (long)AHEAD * COLS, end);
        scale(e, y, COLS, 1 / sum);
    }
#if PAST && defined(__x86_64__)
    _mm_sfence();
#endif
}
