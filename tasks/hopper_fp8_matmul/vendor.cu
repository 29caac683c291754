// The vendor line: the same product by cuBLASLt, e4m3 in, bf16 out, with fast accumulation, through the same worker.
//
// The judge runs this file under a profile of its own that may read the library; under a candidate's profile the library
// cannot be opened. The toolkit need not have the library's header: what is used of it is declared here, with the values
// of its documentation (cuBLAS 13).
// cuBLASLt counts columns first: row-major C[M,N] is its D[N,M] = B[K,N]ᵀ A[K,M].
// Which of the heuristic's first algorithms is taken the judge says, who has timed each of them by its own clock: a choice
// made in here, in a hurry, would be another one in every process.

#include <dlfcn.h>
#include <library_types.h>
#include <stdio.h>
#include <stdlib.h>

#include <map>
#include <tuple>

namespace {

constexpr int COMPUTE_32F = 68, OP_N = 0, OP_T = 1;
constexpr int DESC_TRANSA = 3, DESC_TRANSB = 4, DESC_FAST_ACCUM = 25, PREF_MAX_WORKSPACE_BYTES = 1;
constexpr size_t WORKSPACE_BYTES = 64 << 20;
constexpr int CHOICES = 8;

using Handle = struct LtContext *;
using Operation = struct LtMatmulDesc *;
using Layout = struct LtMatrixLayout *;
using Preference = struct LtPreference *;

struct Algorithm {
    uint64_t data[8];
};

struct Heuristic {
    Algorithm algorithm;
    size_t workspace_bytes;
    int state;
    float waves;
    int reserved[4];
};

struct Library {
    int (*create)(Handle *);
    int (*operation_create)(Operation *, int compute, cudaDataType_t scale);
    int (*operation_set)(Operation, int attribute, const void *value, size_t bytes);
    int (*layout_create)(Layout *, cudaDataType_t type, uint64_t rows, uint64_t columns, int64_t leading);
    int (*preference_create)(Preference *);
    int (*preference_set)(Preference, int attribute, const void *value, size_t bytes);
    int (*heuristic)(Handle, Operation, Layout a, Layout b, Layout c, Layout d, Preference, int wanted, Heuristic *,
                     int *found);
    int (*matmul)(Handle, Operation, const void *alpha, const void *a, Layout, const void *b, Layout, const void *beta,
                  const void *c, Layout, void *d, Layout, const Algorithm *, void *workspace, size_t bytes,
                  cudaStream_t);
};

struct Plan {
    Operation operation;
    Layout a, b, d;
    Algorithm algorithm;
};

struct Operands {
    const void *a, *b;
    void *d;
};

Library lt;
Handle handle;
void *workspace;

void require(bool met, const char *what)
{
    if (!met) {
        fprintf(stderr, "cuBLASLt: %s failed\n", what);
        abort();
    }
}

template <typename Function> void find(void *library, Function *&function, const char *name)
{
    function = reinterpret_cast<Function *>(dlsym(library, name));
    require(function != nullptr, name);
}

void open_library()
{
    const char *path = getenv("KERNELSMITH_VENDOR_LIBRARY");
    void *library = dlopen(path ? path : "libcublasLt.so.13", RTLD_NOW | RTLD_LOCAL);
    require(library != nullptr, "dlopen");
    find(library, lt.create, "cublasLtCreate");
    find(library, lt.operation_create, "cublasLtMatmulDescCreate");
    find(library, lt.operation_set, "cublasLtMatmulDescSetAttribute");
    find(library, lt.layout_create, "cublasLtMatrixLayoutCreate");
    find(library, lt.preference_create, "cublasLtMatmulPreferenceCreate");
    find(library, lt.preference_set, "cublasLtMatmulPreferenceSetAttribute");
    find(library, lt.heuristic, "cublasLtMatmulAlgoGetHeuristic");
    find(library, lt.matmul, "cublasLtMatmul");
    require(lt.create(&handle) == 0, "cublasLtCreate");
    require(cudaMalloc(&workspace, WORKSPACE_BYTES) == cudaSuccess, "cudaMalloc");
}

Layout layout(cudaDataType_t type, int rows, int columns)
{
    Layout made;
    require(lt.layout_create(&made, type, rows, columns, rows) == 0, "cublasLtMatrixLayoutCreate");
    return made;
}

Operation fast_product()
{
    Operation operation;
    const int transposed = OP_T, plain = OP_N;
    const int8_t fast = 1;
    require(lt.operation_create(&operation, COMPUTE_32F, CUDA_R_32F) == 0, "cublasLtMatmulDescCreate");
    require(lt.operation_set(operation, DESC_TRANSA, &transposed, sizeof transposed) == 0, "transa");
    require(lt.operation_set(operation, DESC_TRANSB, &plain, sizeof plain) == 0, "transb");
    require(lt.operation_set(operation, DESC_FAST_ACCUM, &fast, sizeof fast) == 0, "fast accumulation");
    return operation;
}

int multiply(const Plan &plan, const Algorithm &algorithm, const Operands &on, cudaStream_t stream)
{
    const float one = 1.0f, zero = 0.0f;
    return lt.matmul(handle, plan.operation, &one, on.a, plan.a, on.b, plan.b, &zero, on.d, plan.d, on.d, plan.d,
                     &algorithm, workspace, WORKSPACE_BYTES, stream);
}

Algorithm chosen(const Plan &plan)
{
    Preference preference;
    Heuristic choices[CHOICES];
    int found = 0;
    require(lt.preference_create(&preference) == 0, "cublasLtMatmulPreferenceCreate");
    require(lt.preference_set(preference, PREF_MAX_WORKSPACE_BYTES, &WORKSPACE_BYTES, sizeof WORKSPACE_BYTES) == 0,
            "workspace limit");
    lt.heuristic(handle, plan.operation, plan.a, plan.b, plan.d, plan.d, preference, CHOICES, choices, &found);
    require(found > 0, "cublasLtMatmulAlgoGetHeuristic");
    const char *choice = getenv("KERNELSMITH_VENDOR_CHOICE");
    return choices[choice ? atoi(choice) % found : 0].algorithm;
}

const Plan &plan_for(int M, int N, int K)
{
    static std::map<std::tuple<int, int, int>, Plan> plans;
    const auto shape = std::make_tuple(M, N, K);
    auto known = plans.find(shape);
    if (known == plans.end()) {
        Plan plan = {fast_product(), layout(CUDA_R_8F_E4M3, K, N), layout(CUDA_R_8F_E4M3, K, M),
                     layout(CUDA_R_16BF, N, M), {}};
        plan.algorithm = chosen(plan);
        known = plans.emplace(shape, plan).first;
    }
    return known->second;
}

}  // namespace

extern "C" void matmul(const __nv_fp8_e4m3 *A, const __nv_fp8_e4m3 *B, __nv_bfloat16 *C, int M, int N, int K,
                       cudaStream_t stream)
{
    if (handle == nullptr)
        open_library();
    const Operands on = {B, A, C};
    const Plan &plan = plan_for(M, N, K);
    require(multiply(plan, plan.algorithm, on, stream) == 0, "cublasLtMatmul");
}
