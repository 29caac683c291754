/* The vendor line: the same product by the CPU library that numpy brings (OpenBLAS), through the same worker.
 *
 * The judge runs this file under a profile of its own that may read the library; under a candidate's profile the
 * library cannot be opened.
 */
#include <dlfcn.h>
#include <stdlib.h>

enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };

typedef void sgemm_64(int order, int trans_a, int trans_b, long m, long n, long k, float alpha, const float *a,
                      long lda, const float *b, long ldb, float beta, float *c, long ldc);

static sgemm_64 *find_sgemm(void)
{
    const char *path = getenv("KERNELSMITH_VENDOR_LIBRARY");
    void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    sgemm_64 *sgemm = NULL;
    if (library != NULL) {
        *(void **)&sgemm = dlsym(library, "scipy_cblas_sgemm64_");
    }
    if (sgemm == NULL) {
        abort();
    }
    return sgemm;
}

void matmul(const float *A, const float *B, float *C, int M, int N, int K)
{
    static sgemm_64 *sgemm;
    if (sgemm == NULL) {
        sgemm = find_sgemm();
    }
    sgemm(ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE, M, N, K, 1.0f, A, K, B, K, 0.0f, C, N);
}
