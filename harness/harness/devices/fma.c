/* Measure the fp32 peak of the CPU core that this process is pinned to: short probes of independent fused
 * multiply-adds, spread over time.
 *
 *     fma PROBES SECONDS        prints the FLOP/s of each probe, one per line
 *
 * A probe runs 12 independent chains of vector FMAs in registers for about 3 ms. Twelve chains hide a latency of 4 to 6
 * cycles at two FMAs per cycle, and fit into 16 registers. On a CPU with AVX-512 both vector widths are tried, because
 * AVX-512 is not faster on every processor. Short probes spread over seconds include moments of the highest clock,
 * which a kernel may also meet; one long probe would average over the clock.
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

/* The sum is stored in a volatile, so that the compiler cannot remove a chain; the factor keeps all values finite. */
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
        while (now() - begin < spread * i / probes) { /* spin: while a process sleeps, the clock of its core falls */
        }
        double rate = probe(narrow_flops, &narrow_rounds);
#if defined(__AVX512F__)
        static long wide_rounds = 10000;
        double other = probe(wide_flops, &wide_rounds);
        rate = other > rate ? other : rate;
#endif
        if (i > 0) { /* the first probe only finds the number of rounds that take 3 ms */
            printf("%.6e\n", rate);
        }
    }
    return 0;
}
