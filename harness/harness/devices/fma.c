/* The CPU's fp32 peak on the core it is pinned to: many short probes of independent fused multiply-adds, spread in time.
 *
 *     fma PROBES SECONDS        prints, one a line, the FLOP/s of each probe
 *
 * A probe runs 12 independent chains of vector FMAs in registers for about 3 ms: enough to hide a latency of 4-6 cycles
 * at two FMAs a cycle, few enough for 16 registers. Both vector widths are tried where there are two, for AVX-512 is
 * not faster everywhere. Short probes spread over seconds find the clock that a lucky kernel could find; one long
 * probe does not.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CHAINS = 12, PROBE_US = 3000 };

#if defined(__AVX__)
#define NARROW_BYTES 32
#else
#define NARROW_BYTES 16
#endif
typedef float narrow __attribute__((vector_size(NARROW_BYTES)));
#if defined(__AVX512F__)
typedef float wide __attribute__((vector_size(64)));
#endif

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The sum goes to a volatile, so that no chain can be left out; the factor keeps all values finite. */
static volatile float sink;

#define DEFINE_CHAINS(type)                                                                                            \
    static double type##_flops(long rounds)                                                                            \
    {                                                                                                                  \
        type a[CHAINS], factor = (type){0} + 0.999999f, term = (type){0} + 1e-6f;                                      \
        for (int c = 0; c < CHAINS; c++) {                                                                             \
            a[c] = (type){0} + (float)c;                                                                               \
        }                                                                                                              \
        for (long r = 0; r < rounds; r++) {                                                                            \
            for (int c = 0; c < CHAINS; c++) {                                                                         \
                a[c] = a[c] * factor + term;                                                                           \
            }                                                                                                          \
        }                                                                                                              \
        for (int c = 1; c < CHAINS; c++) {                                                                             \
            a[0] += a[c];                                                                                              \
        }                                                                                                              \
        sink = a[0][0];                                                                                                \
        return 2.0 * CHAINS * (double)(sizeof(type) / sizeof(float)) * (double)rounds;                                 \
    }

DEFINE_CHAINS(narrow)
#if defined(__AVX512F__)
DEFINE_CHAINS(wide)
#endif

static double probe(double (*chains)(long), long *rounds)
{
    double start = now(), flops = chains(*rounds), seconds = now() - start;
    *rounds = 1 + (long)((double)*rounds * (PROBE_US * 1e-6) / seconds);
    return flops / seconds;
}

int main(int argc, char **argv)
{
    int probes = argc > 1 ? atoi(argv[1]) : 100;
    double spread = argc > 2 ? atof(argv[2]) : 2.0, begin = now();
    long narrow_rounds = 10000;
    for (int i = 0; i < probes; i++) {
        while (now() - begin < spread * i / probes) { /* spinning, not sleeping: the clock must stay up */
        }
        double rate = probe(narrow_flops, &narrow_rounds);
#if defined(__AVX512F__)
        static long wide_rounds = 10000;
        double other = probe(wide_flops, &wide_rounds);
        rate = other > rate ? other : rate;
#endif
        if (i > 0) { /* the first one only finds out how many rounds take 3 ms */
            printf("%.6e\n", rate);
        }
    }
    return 0;
}
