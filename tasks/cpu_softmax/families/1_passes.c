// Y[r, :] = softmax(X[r, :]) in fp32 on one core, in three passes over each row.
//
// Layout: X and Y are ROWS x COLS, row-major, dense.
// Idea: the largest value of a row, then the exponentials of the distances from it and their sum, then the quotients.
// The maximum and the sum each run in CHAINS chains, for one chain waits for its own last step. With KEEP the second
// pass leaves the exponentials in Y; without, the third computes them once more and Y is written once.
// hypothesis: a right answer first; expf of the C library decides the time, so computing it once an element is best.

#include <math.h>

#define CHAINS 1  // knob: 1 4 8
#define KEEP 0    // knob: 0 1

static float largest(const float *x, long n)
{
    float chains[CHAINS];
    for (int k = 0; k < CHAINS; k++)
        chains[k] = x[0];
    long c = 0;
    for (; c + CHAINS <= n; c += CHAINS)
        for (int k = 0; k < CHAINS; k++)
            chains[k] = x[c + k] > chains[k] ? x[c + k] : chains[k];
    for (; c < n; c++)
        chains[0] = x[c] > chains[0] ? x[c] : chains[0];
    for (int k = 1; k < CHAINS; k++)
        chains[0] = chains[k] > chains[0] ? chains[k] : chains[0];
    return chains[0];
}

static inline float term(const float *x, float *y, long c, float top)
{
    const float e = expf(x[c] - top);
    if (KEEP)
        y[c] = e;
    return e;
}

static float sum_of_terms(const float *x, float *y, long n, float top)
{
    float chains[CHAINS] = {0};
    long c = 0;
    for (; c + CHAINS <= n; c += CHAINS)
        for (int k = 0; k < CHAINS; k++)
            chains[k] += term(x, y, c + k, top);
    for (; c < n; c++)
        chains[0] += term(x, y, c, top);
    for (int k = 1; k < CHAINS; k++)
        chains[0] += chains[k];
    return chains[0];
}

void softmax(const float *X, float *Y, int ROWS, int COLS)
{
    for (long r = 0; r < ROWS; r++) {
        const float *x = X + r * COLS;
        float *y = Y + r * COLS;
        const float top = largest(x, COLS), sum = sum_of_terms(x, y, COLS, top);
        for (long c = 0; c < COLS; c++)
            y[c] = (KEEP ? y[c] : expf(x[c] - top)) / sum;
    }
}
