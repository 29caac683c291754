// C[M,N] = A[M,K] B[N,K]ᵀ in bf16 with fp32 accumulation, by warp-wide matrix instructions through shared memory.
//
// Layout: A is M x K, B is N x K, C is M x N; all row-major. K and N are multiples of 8, M is arbitrary.
// Idea: a CTA of 8 warps copies blocks of BM x BK and BN x BK to shared memory, 16 bytes a thread and step; each warp
// multiplies a BM/2 x BN/4 part by 16 x 16 x 16 fragments. Rows are padded by 16 bytes: they start in other banks.
// What lies outside of A and B is copied as zero; C leaves through a patch of floats a warp, 16 bytes a lane.
// hypothesis: tensor cores fed by plain loads wait for them, yet do many times what fp32 units could.

#include <mma.h>

#define BM 128  // knob: 64 128
#define BN 128  // knob: 64 128
#define BK 32   // knob: 32 64

namespace {

using namespace nvcuda;

constexpr int THREADS = 256, VECTOR = 8, STRIDE = BK + VECTOR, SIDE = 16;
constexpr int PART_M = BM / 2, PART_N = BN / 4;  // of a warp

using Left = wmma::fragment<wmma::matrix_a, SIDE, SIDE, SIDE, __nv_bfloat16, wmma::row_major>;
using Right = wmma::fragment<wmma::matrix_b, SIDE, SIDE, SIDE, __nv_bfloat16, wmma::col_major>;
using Sums = wmma::fragment<wmma::accumulator, SIDE, SIDE, SIDE, float>;

// ROWS x BK of a matrix of `rows` x K, from (row, k) on.
template <int ROWS>
__device__ void copy_block(__nv_bfloat16 *to, const __nv_bfloat16 *from, int row, int k, int rows, int K)
{
#pragma unroll
    for (int i = threadIdx.x; i < ROWS * BK / VECTOR; i += THREADS) {
        const int r = i / (BK / VECTOR), c = i % (BK / VECTOR) * VECTOR;
        uint4 vector = {0, 0, 0, 0};
        if (row + r < rows && k + c < K)
            vector = *reinterpret_cast<const uint4 *>(from + size_t(row + r) * K + k + c);
        *reinterpret_cast<uint4 *>(to + r * STRIDE + c) = vector;
    }
}

__device__ void multiply(Sums (&sums)[PART_M / SIDE][PART_N / SIDE], const __nv_bfloat16 *a, const __nv_bfloat16 *b)
{
#pragma unroll
    for (int k = 0; k < BK; k += SIDE) {
        Left left[PART_M / SIDE];
        Right right[PART_N / SIDE];
#pragma unroll
        for (int i = 0; i < PART_M / SIDE; i++)
            wmma::load_matrix_sync(left[i], a + i * SIDE * STRIDE + k, STRIDE);
#pragma unroll
        for (int j = 0; j < PART_N / SIDE; j++)
            wmma::load_matrix_sync(right[j], b + j * SIDE * STRIDE + k, STRIDE);
#pragma unroll
        for (int i = 0; i < PART_M / SIDE; i++)
#pragma unroll
            for (int j = 0; j < PART_N / SIDE; j++)
                wmma::mma_sync(sums[i][j], left[i], right[j], sums[i][j]);
    }
}

// A 16 x 16 fragment to (row, column) of C: half a row of the patch to each lane.
__device__ void store_fragment(const Sums &sums, float *patch, __nv_bfloat16 *C, int row, int column, int M, int N)
{
    const int lane = threadIdx.x % 32, r = lane / 2, c = lane % 2 * VECTOR;
    __nv_bfloat162 out[VECTOR / 2];
    wmma::store_matrix_sync(patch, sums, SIDE, wmma::mem_row_major);
    __syncwarp();
    for (int i = 0; i < VECTOR / 2; i++)
        out[i] = __floats2bfloat162_rn(patch[r * SIDE + c + 2 * i], patch[r * SIDE + c + 2 * i + 1]);
    if (row + r < M && column + c < N)
        *reinterpret_cast<uint4 *>(C + size_t(row + r) * N + column + c) = *reinterpret_cast<const uint4 *>(out);
    __syncwarp();
}

__global__ void __launch_bounds__(THREADS)
    matmul_kernel(const __nv_bfloat16 *A, const __nv_bfloat16 *B, __nv_bfloat16 *C, int M, int N, int K)
{
    __shared__ alignas(128) __nv_bfloat16 a[BM * STRIDE], b[BN * STRIDE];
    __shared__ alignas(128) float patches[THREADS / 32][SIDE * SIDE];
    const int row = blockIdx.y * BM, column = blockIdx.x * BN, warp = threadIdx.x / 32;
    const int part_m = warp / 4 * PART_M, part_n = warp % 4 * PART_N;
    Sums sums[PART_M / SIDE][PART_N / SIDE];
    for (auto &line : sums)
        for (auto &sum : line)
            wmma::fill_fragment(sum, 0.0f);
    for (int k = 0; k < K; k += BK) {
        copy_block<BM>(a, A, row, k, M, K);
        copy_block<BN>(b, B, column, k, N, K);
        __syncthreads();
        multiply(sums, a + part_m * STRIDE, b + part_n * STRIDE);
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < PART_M / SIDE; i++)
#pragma unroll
        for (int j = 0; j < PART_N / SIDE; j++)
            store_fragment(sums[i][j], patches[warp], C, row + part_m + i * SIDE, column + part_n + j * SIDE, M, N);
}

}  // namespace

extern "C" void matmul(const __nv_bfloat16 *A, const __nv_bfloat16 *B, __nv_bfloat16 *C, int M, int N, int K,
                       cudaStream_t stream)
{
    const dim3 grid((N + BN - 1) / BN, (M + BM - 1) / BM);
    matmul_kernel<<<grid, THREADS, 0, stream>>>(A, B, C, M, N, K);
}
