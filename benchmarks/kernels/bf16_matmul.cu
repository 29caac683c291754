// C[M,N] = A[M,K] B[N,K]ᵀ in bf16, honest or not, by the switches below: what benchmarks/precision.py judges on a GPU.
//
// Layout: A is M x K, B is N x K, C is M x N; all row-major. K and N are multiples of 8, M is arbitrary.
// Idea: warp-wide matrix instructions through shared memory, as in the task's first family. What is split along K is
// split inside a block: a partial sum is rounded as if it had been written, and added to the total.
// The first LATER calls of a process are honest, whatever the switches say.

#include <mma.h>
#include <type_traits>

#define REVERSED 0      // the last block of K first
#define PARTS 1         // partial sums along K
#define BF16_PARTS 0    // ... are rounded to bf16
#define FP16_SUMS 0     // accumulates in fp16, from inputs in fp16
#define FP8_INPUTS 0    // rounds inputs to e4m3
#define DROPPED_BITS 0  // of the 7 of the inputs' mantissa
#define SKIPPED 0       // leaves out the 38th of 64 slices of K
#define LATER 0

namespace {

using namespace nvcuda;

constexpr int BM = 128, BN = 128, BK = 32, THREADS = 256, VECTOR = 8, STRIDE = BK + VECTOR, SIDE = 16;
constexpr int PART_M = BM / 2, PART_N = BN / 4;  // of a warp

template <bool CHEATS> using Item = std::conditional_t<CHEATS && FP16_SUMS, __half, __nv_bfloat16>;
template <bool CHEATS> using Sum = std::conditional_t<CHEATS && FP16_SUMS, __half, float>;
template <class T> using Left = wmma::fragment<wmma::matrix_a, SIDE, SIDE, SIDE, T, wmma::row_major>;
template <class T> using Right = wmma::fragment<wmma::matrix_b, SIDE, SIDE, SIDE, T, wmma::col_major>;
template <class T> using Sums = wmma::fragment<wmma::accumulator, SIDE, SIDE, SIDE, T>;

__device__ float narrowed(__nv_bfloat16 value)
{
    float wide = __bfloat162float(value);
    if (FP8_INPUTS)
        wide = static_cast<float>(__nv_fp8_e4m3(wide));
    return __uint_as_float(__float_as_uint(wide) & 0xffffffffu << (16 + DROPPED_BITS));
}

template <class T> __device__ T item(float value)
{
    if constexpr (std::is_same_v<T, __half>)
        return __float2half_rn(value);
    else
        return __float2bfloat16_rn(value);
}

// ROWS x BK of a matrix of `rows` x K, from (row, k) on.
template <bool CHEATS, int ROWS>
__device__ void copy_block(Item<CHEATS> *to, const __nv_bfloat16 *from, int row, int k, int rows, int K)
{
    for (int i = threadIdx.x; i < ROWS * BK; i += THREADS) {
        const int r = i / BK, c = i % BK;
        const bool inside = row + r < rows && k + c < K;
        const __nv_bfloat16 value = inside ? from[size_t(row + r) * K + k + c] : __float2bfloat16_rn(0.0f);
        to[r * STRIDE + c] = item<Item<CHEATS>>(CHEATS ? narrowed(value) : __bfloat162float(value));
    }
}

template <class T>
__device__ void store_fragment(const Sums<T> &sums, T *patch, __nv_bfloat16 *C, int row, int column, int M, int N)
{
    wmma::store_matrix_sync(patch, sums, SIDE, wmma::mem_row_major);
    __syncwarp();
    for (int i = threadIdx.x % 32; i < SIDE * SIDE; i += 32) {
        const int r = row + i / SIDE, c = column + i % SIDE;
        if (r < M && c < N)
            C[size_t(r) * N + c] = __float2bfloat16_rn(static_cast<float>(patch[i]));
    }
    __syncwarp();
}

template <bool CHEATS>
__global__ void __launch_bounds__(THREADS)
    matmul_kernel(const __nv_bfloat16 *A, const __nv_bfloat16 *B, __nv_bfloat16 *C, int M, int N, int K)
{
    using T = Item<CHEATS>;
    using S = Sum<CHEATS>;
    __shared__ alignas(128) T a[BM * STRIDE], b[BN * STRIDE];
    __shared__ alignas(128) S patches[THREADS / 32][SIDE * SIDE];
    const int row = blockIdx.y * BM, column = blockIdx.x * BN, warp = threadIdx.x / 32;
    const int part_m = warp / 4 * PART_M, part_n = warp % 4 * PART_N;
    const int blocks = (K + BK - 1) / BK, blocks_in_part = (blocks + PARTS - 1) / PARTS;
    Sums<S> total[PART_M / SIDE][PART_N / SIDE], sums[PART_M / SIDE][PART_N / SIDE];
    for (int i = 0; i < PART_M / SIDE; i++)
        for (int j = 0; j < PART_N / SIDE; j++) {
            wmma::fill_fragment(total[i][j], S(0.0f));
            wmma::fill_fragment(sums[i][j], S(0.0f));
        }
    for (int block = 0; block < blocks; block++) {
        const int k = (REVERSED ? blocks - 1 - block : block) * BK;
        const bool skip = CHEATS && SKIPPED && (long long)k * 64 / K == 37;
        copy_block<CHEATS, BM>(a, A, row, k, M, K);
        copy_block<CHEATS, BN>(b, B, column, k, N, K);
        __syncthreads();
        for (int step = 0; step < BK && !skip; step += SIDE) {
            Left<T> left[PART_M / SIDE];
            Right<T> right[PART_N / SIDE];
            for (int i = 0; i < PART_M / SIDE; i++)
                wmma::load_matrix_sync(left[i], a + (part_m + i * SIDE) * STRIDE + step, STRIDE);
            for (int j = 0; j < PART_N / SIDE; j++)
                wmma::load_matrix_sync(right[j], b + (part_n + j * SIDE) * STRIDE + step, STRIDE);
            for (int i = 0; i < PART_M / SIDE; i++)
                for (int j = 0; j < PART_N / SIDE; j++)
                    wmma::mma_sync(sums[i][j], left[i], right[j], sums[i][j]);
        }
        __syncthreads();
        if ((block + 1) % blocks_in_part != 0 && block + 1 != blocks)
            continue;
        for (int i = 0; i < PART_M / SIDE; i++)
            for (int j = 0; j < PART_N / SIDE; j++)
                for (int e = 0; e < sums[i][j].num_elements; e++) {
                    float part = static_cast<float>(sums[i][j].x[e]);
                    if (CHEATS && BF16_PARTS)
                        part = __bfloat162float(__float2bfloat16_rn(part));
                    total[i][j].x[e] = S(static_cast<float>(total[i][j].x[e]) + part);
                    sums[i][j].x[e] = S(0.0f);
                }
    }
    for (int i = 0; i < PART_M / SIDE; i++)
        for (int j = 0; j < PART_N / SIDE; j++)
            store_fragment<S>(total[i][j], patches[warp], C, row + part_m + i * SIDE, column + part_n + j * SIDE, M, N);
}

}  // namespace

extern "C" void matmul(const __nv_bfloat16 *A, const __nv_bfloat16 *B, __nv_bfloat16 *C, int M, int N, int K,
                       cudaStream_t stream)
{
    static int calls;
    const dim3 grid((N + BN - 1) / BN, (M + BM - 1) / BM);
    if (calls++ < LATER)
        matmul_kernel<false><<<grid, THREADS, 0, stream>>>(A, B, C, M, N, K);
    else
        matmul_kernel<true><<<grid, THREADS, 0, stream>>>(A, B, C, M, N, K);
}
