// Y[r, :] = softmax(X[r, :]) in fp32 on one core: the broken starting point.
//
// Layout: X and Y are ROWS x COLS, row-major, dense, at least 64-byte aligned, not overlapping.
// So Y[r, c] = exp(X[r, c]) / (sum of exp(X[r, :])). Sizes are arbitrary and at least 1.
// Y arrives filled with NaNs; every element must be written. Rows may hold values of any magnitude.
//
// This file was carried over from a softmax of one small vector. It compiles, and its results are wrong. Find out why,
// make it right, then make it fast.

#include <math.h>

void softmax(const float *X, float *Y, int ROWS, int COLS)
{
    float sum = 0;
    for (int r = 0; r < ROWS; r++) {
        for (int c = 0; c < COLS; c++) {
            Y[(long)r * COLS + c] = expf(X[(long)r * COLS + c]);
            sum += Y[(long)r * COLS + c];
        }
        for (int c = 0; c < COLS; c++)
            Y[(long)r * COLS + c] /= sum;
    }
}
