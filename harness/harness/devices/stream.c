/* Measure the memory bandwidth of the core that this process is pinned to: short probes that stream through more memory
 * than the caches hold.
 *
 *     stream PROBES SECONDS CACHE_BYTES          prints the bytes per second of each probe, one per line
 *     stream PROBES SECONDS CACHE_BYTES ways     then also prints the best rate of each access pattern, with its name
 *
 * A probe moves a window of 8 MiB per array with each access pattern, and prints the fastest rate: read, copy, triad
 * (McCalpin, STREAM, 1995), and on processors with non-temporal stores also copy, triad and fill with these. Bytes are
 * counted as for a kernel: each element is read or written once, and the read that an ordinary store causes is not
 * counted. The windows move through a ring of four times the last-level cache, so that a window has left the caches
 * when it is used again. Windows are short and probes are spread over seconds, as in fma.c.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { STEP = 8 };
static const long WINDOW_BYTES = 8l << 20, FEWEST_WINDOWS = 16;

#if defined(__AVX__)
typedef float vec __attribute__((vector_size(32)));
#define STORE_PAST(to, value) _mm256_stream_ps((float *)(to), (__m256)(value))
#else
typedef float vec __attribute__((vector_size(16)));
#if defined(__x86_64__)
#define STORE_PAST(to, value) _mm_stream_ps((float *)(to), (__m128)(value))
#endif
#endif

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The sum is stored in a volatile, so that the compiler cannot remove a read. */
static volatile float sink;

static void read_all(const vec *a, const vec *b, vec *c, long n)
{
    (void)b, (void)c;
    vec sums[STEP] = {0};
    for (long i = 0; i < n; i += STEP) {
        for (int k = 0; k < STEP; k++) {
            sums[k] += a[i + k];
        }
    }
    for (int k = 1; k < STEP; k++) {
        sums[0] += sums[k];
    }
    sink = sums[0][0];
}

#define STORE(to, value) (*(to) = (value))
#define DEFINE_PASS(name, value, store)                                                                                \
    static void name(const vec *a, const vec *b, vec *c, long n)                                                       \
    {                                                                                                                  \
        const vec half = (vec){0} + 0.5f;                                                                              \
        (void)a, (void)b, (void)half;                                                                                  \
        for (long i = 0; i < n; i += STEP) {                                                                           \
            for (int k = 0; k < STEP; k++) {                                                                           \
                store(c + i + k, value);                                                                               \
            }                                                                                                          \
        }                                                                                                              \
    }

DEFINE_PASS(copy, a[i + k], STORE)
DEFINE_PASS(triad, a[i + k] + half * b[i + k], STORE)
#if defined(STORE_PAST)
DEFINE_PASS(copy_past, a[i + k], STORE_PAST)
DEFINE_PASS(triad_past, a[i + k] + half * b[i + k], STORE_PAST)
DEFINE_PASS(fill_past, half, STORE_PAST)
#endif

static const struct {
    void (*pass)(const vec *, const vec *, vec *, long);
    const char *name;
    int arrays;
} WAYS[] = {
    {read_all, "read", 1}, {copy, "copy", 2},           {triad, "triad", 3},
#if defined(STORE_PAST)
    {fill_past, "fill past the caches", 1}, {copy_past, "copy past the caches", 2},
    {triad_past, "triad past the caches", 3},
#endif
};
enum { NUMBER_OF_WAYS = sizeof WAYS / sizeof *WAYS };

static char *ring;
static long windows, next;

static vec *window(void)
{
    vec *taken = (vec *)(ring + next * WINDOW_BYTES);
    next = (next + 1) % windows;
    return taken;
}

static double probe(int way)
{
    const vec *a = window(), *b = WAYS[way].arrays > 2 ? window() : a;
    vec *c = WAYS[way].arrays > 1 ? window() : (vec *)a;
    double start = now();
    WAYS[way].pass(a, b, c, WINDOW_BYTES / (long)sizeof(vec));
#if defined(STORE_PAST)
    _mm_sfence();
#endif
    return (double)(WAYS[way].arrays * WINDOW_BYTES) / (now() - start);
}

/* Map the ring and touch its pages. Return 0 if the memory cannot be mapped, else 1. */
static int prepare(long cache_bytes)
{
    windows = 1 + 4 * cache_bytes / WINDOW_BYTES;
    windows = windows > FEWEST_WINDOWS ? windows : FEWEST_WINDOWS;
    size_t bytes = (size_t)(windows * WINDOW_BYTES);
    ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED) {
        return 0;
    }
    madvise(ring, bytes, MADV_HUGEPAGE); /* fewer TLB misses, which would lower the rate */
    memset(ring, 0, bytes);
    return 1;
}

int main(int argc, char **argv)
{
    int probes = argc > 1 ? atoi(argv[1]) : 100;
    double spread = argc > 2 ? atof(argv[2]) : 2.0, best[NUMBER_OF_WAYS] = {0};
    if (!prepare(argc > 3 ? atol(argv[3]) : 32l << 20)) {
        fprintf(stderr, "no memory for a ring of four times the last-level cache\n");
        return 1;
    }
    double begin = now();
    for (int i = 0; i < probes && now() - begin < 2 * spread + 1; i++) { /* fewer probes if memory is slow */
        while (now() - begin < spread * i / probes) { /* spin: while a process sleeps, the clock of its core falls */
        }
        double fastest = 0;
        for (int way = 0; way < NUMBER_OF_WAYS; way++) {
            double rate = probe(way);
            fastest = rate > fastest ? rate : fastest;
            best[way] = rate > best[way] ? rate : best[way];
        }
        printf("%.6e\n", fastest);
    }
    for (int way = 0; argc > 4 && way < NUMBER_OF_WAYS; way++) {
        printf("%.6e %s\n", best[way], WAYS[way].name);
    }
    return 0;
}
