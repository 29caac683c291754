// C[M,N] = A[M,K] B[N,K]ᵀ in bf16 with fp32 sums on one Hopper GPU: the broken starting point.
//
// Layout: A is M x K, B is N x K, C is M x N; all row-major and dense. So element (i, j) of C is the dot product of row i
// of A with row j of B. Rows of A, B and C start at multiples of 16 bytes. C arrives filled with NaNs.
//
// A sketch for the copy engine (TMA) and warpgroup products (wgmma). The stubs are empty: nothing is loaded, nothing is
// multiplied, and the grid was made for square matrices whose sizes are multiples of the tile. Fill them in, make it
// right for every size, then make it fast.

#include <cuda.h>

namespace {

constexpr int BLOCK_M = 128, BLOCK_N = 128, BLOCK_K = 64;  // a row of a slice is 128 bytes: the width of the swizzle
constexpr int THREADS = 256;                               // two warpgroups of 64 rows each

// Stub: load a box of BLOCK_K columns from (x, y) and count its bytes on the barrier.
// cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes
__device__ void load(uint32_t to, const CUtensorMap *map, int x, int y, uint32_t barrier)
{
}

// Stub: wait until the phase of this parity is complete. mbarrier.try_wait.parity
__device__ void wait(uint32_t barrier, int parity)
{
}

// Stub: sums += a b, 64 x BLOCK_N from slices of 16 columns. wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16
__device__ void multiply(float (&sums)[BLOCK_N / 2], uint64_t a, uint64_t b)
{
}

__global__ void __launch_bounds__(THREADS)
product(const __grid_constant__ CUtensorMap a, const __grid_constant__ CUtensorMap b, __nv_bfloat16 *C, int N, int K)
{
    extern __shared__ __align__(1024) unsigned char slices[];
    float sums[BLOCK_N / 2] = {};
    for (int k = 0; k < K; k += BLOCK_K) {
        load(0, &a, k, blockIdx.y * BLOCK_M, 0);
        load(0, &b, k, blockIdx.x * BLOCK_N, 0);
        wait(0, k / BLOCK_K % 2);
        multiply(sums, 0, 0);
    }
    // A thread holds rows lane / 4 and lane / 4 + 8 of its warp's 16, and two columns of every eight.
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    for (int i = 0; i < BLOCK_N / 2; i++) {
        const int row = blockIdx.y * BLOCK_M + warp * 16 + lane / 4 + i / 2 % 2 * 8;
        const int column = blockIdx.x * BLOCK_N + i / 4 * 8 + lane % 4 * 2 + i % 2;
        C[(size_t)row * N + column] = __float2bfloat16(sums[i]);
    }
}

}  // namespace

extern "C" void matmul(const __nv_bfloat16 *A, const __nv_bfloat16 *B, __nv_bfloat16 *C, int M, int N, int K,
                       cudaStream_t stream)
{
    CUtensorMap a = {}, b = {};  // to be encoded: cuTensorMapEncodeTiled, found by cudaGetDriverEntryPointByVersion
    product<<<dim3(N / BLOCK_N, M / BLOCK_M), THREADS, 0, stream>>>(a, b, C, N, K);
}
