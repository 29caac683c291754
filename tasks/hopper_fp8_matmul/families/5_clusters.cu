// C[M,N] = A[M,K] B[N,K]ᵀ, e4m3 in, bf16 out, with the tensor cores' own sums: warps with roles, persistent blocks, clusters.
//
// Layout: A is M x K, B is N x K, C is M x N; all row-major and dense, rows of A and B a multiple of 16 bytes.
// Idea: a block is one warpgroup that loads and two that multiply. The loader keeps STAGES slices of A and B in flight
// with the copy engine (TMA); a slice's `full` barrier counts its bytes, its `empty` barrier the warpgroups that are done
// with it. A consumer issues the four wgmmas of a slice and only then waits for those of the slice before, so the tensor
// cores never run dry. Registers go from the loader to the consumers, whose 64 x BLOCK_N sums fill 128 of theirs.
// Blocks are persistent and walk tiles in groups of GROUP rows; a tile is written to shared memory with stmatrix and
// stored by the copy engine while the next one is multiplied. In a cluster of two, the blocks hold two tiles one above the
// other: each loads half of B's slice for both, which halves the traffic of B.
// The second consumer begins SKEW slices late. Each then stores its half of a tile while the other has the tensor cores
// for itself, and so makes up, or gains, as many slices: the delay lasts. Without it both store at once.
// measured: 75.2 % of 1,978.9 TFLOP/s as it stands, beside 76.1 % of 3_persistent, on an H100 SXM, 2026-11-25; SKEW makes
// no difference here.
// hypothesis: two consumers that end a tile together leave the tensor cores idle while they store; one that lags does not.

#include <cuda.h>

#define BLOCK_N 256  // knob: 256 192 128
#define STAGES 4     // knob: 3 4
#define CLUSTER 2    // knob: 1 2
#define GROUP 16     // knob: 8 16
#define SPARE 4      // knob: 0 4
#define SKEW 3       // knob: 0 2 3
// require: (128 + BLOCK_N) * STAGES <= 1536
// require: SKEW < STAGES

namespace {

constexpr int BLOCK_M = 128, BLOCK_K = 128, CONSUMERS = 2, ROWS = BLOCK_M / CONSUMERS;
constexpr int THREADS = 128 * (1 + CONSUMERS);
constexpr int LOADER_REGISTERS = 40, CONSUMER_REGISTERS = 232;
constexpr int A_BYTES = BLOCK_M * BLOCK_K, B_BYTES = BLOCK_N * BLOCK_K, STAGE_BYTES = A_BYTES + B_BYTES;
constexpr int STRIP = 64, STRIPS = BLOCK_N / STRIP, STRIP_BYTES = ROWS * STRIP * 2;
constexpr int HELD = 2, OUT_BYTES = CONSUMERS * HELD * STRIP_BYTES;  // strips a consumer holds on their way out
constexpr int SHARED_BYTES = 1024 + STAGES * STAGE_BYTES + OUT_BYTES + 2 * STAGES * 8;
constexpr int SUMS = BLOCK_N / 2;

// --- barriers -------------------------------------------------------------------------------------------------------

__device__ inline uint32_t address(const void *pointer)
{
    return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

__device__ inline void init_barrier(uint32_t barrier, int arrivals)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals));
}

__device__ inline void expect_bytes(uint32_t barrier, int bytes)
{
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}

// Wait until the phase of this parity is complete.
__device__ inline void wait(uint32_t barrier, int parity)
{
    asm volatile(
        "{\n"
        ".reg .pred done;\n"
        "again:\n"
        "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
        "@done bra over;\n"
        "bra again;\n"
        "over:\n"
        "}\n" ::"r"(barrier),
        "r"(parity)
        : "memory");
}

// Arrive at the barrier that lies at this place in the shared memory of a block of the cluster.
__device__ inline void arrive_at(uint32_t barrier, int block)
{
    asm volatile(
        "{\n"
        ".reg .b32 there;\n"
        "mapa.shared::cluster.u32 there, %0, %1;\n"
        "mbarrier.arrive.shared::cluster.b64 _, [there];\n"
        "}\n" ::"r"(barrier),
        "r"(block)
        : "memory");
}

__device__ inline int block_in_cluster()
{
    int rank;
    asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    return rank;
}

__device__ inline void sync_cluster()
{
    __syncwarp();
    asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
}

__device__ inline void sync_warpgroup(int number)
{
    asm volatile("bar.sync %0, 128;" ::"r"(number + 1) : "memory");
}

// The second consumer begins once the first has multiplied SKEW slices.
constexpr int SKEW_BARRIER = 3;

__device__ inline void allow_second()
{
    asm volatile("bar.arrive %0, 256;" ::"r"(SKEW_BARRIER) : "memory");
}

__device__ inline void wait_for_first()
{
    asm volatile("bar.sync %0, 256;" ::"r"(SKEW_BARRIER) : "memory");
}

// --- the copy engine ------------------------------------------------------------------------------------------------

__device__ inline void load(uint32_t to, const CUtensorMap *map, int x, int y, uint32_t barrier)
{
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(to),
        "l"(map), "r"(x), "r"(y), "r"(barrier)
        : "memory");
}

__device__ inline void load_for_all(uint32_t to, const CUtensorMap *map, int x, int y, uint32_t barrier)
{
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster"
        " [%0], [%1, {%2, %3}], [%4], %5;" ::"r"(to),
        "l"(map), "r"(x), "r"(y), "r"(barrier), "h"((uint16_t)((1 << CLUSTER) - 1))
        : "memory");
}

__device__ inline void store(const CUtensorMap *map, int x, int y, uint32_t from)
{
    asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%1, %2}], [%3];" ::"l"(map), "r"(x), "r"(y),
                 "r"(from)
                 : "memory");
}

// --- products -------------------------------------------------------------------------------------------------------

// A matrix in shared memory whose rows are 128 bytes, swizzled as the copy engine leaves them; 8 rows are 1024 bytes.
__device__ inline uint64_t matrix(uint32_t at)
{
    return (uint64_t)((at & 0x3FFFF) >> 4) | (1ull << 16) | (64ull << 32) | (1ull << 62);
}

#define IO4(i) "+f"(c[i]), "+f"(c[i + 1]), "+f"(c[i + 2]), "+f"(c[i + 3])
#define IO16(i) IO4(i), IO4(i + 4), IO4(i + 8), IO4(i + 12)

// c = a b + (accumulate ? c : 0); a is 64 x 32, b is BLOCK_N x 32.
#if BLOCK_N == 256
__device__ static inline void multiply(float (&c)[128], uint64_t a, uint64_t b, int accumulate)
{
    asm volatile(
        "{\n"
        ".reg .pred p;\n"
        "setp.ne.b32 p, %130, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n256k32.f32.e4m3.e4m3 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
        "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
        "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
        "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
        "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
        "%128, %129, p, 1, 1;\n"
        "}\n"
        : IO16(0), IO16(16), IO16(32), IO16(48), IO16(64), IO16(80), IO16(96), IO16(112)
        : "l"(a), "l"(b), "r"(accumulate));
}
#elif BLOCK_N == 192
__device__ static inline void multiply(float (&c)[96], uint64_t a, uint64_t b, int accumulate)
{
    asm volatile(
        "{\n"
        ".reg .pred p;\n"
        "setp.ne.b32 p, %98, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n192k32.f32.e4m3.e4m3 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
        "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
        "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95}, "
        "%96, %97, p, 1, 1;\n"
        "}\n"
        : IO16(0), IO16(16), IO16(32), IO16(48), IO16(64), IO16(80)
        : "l"(a), "l"(b), "r"(accumulate));
}
#elif BLOCK_N == 128
__device__ static inline void multiply(float (&c)[64], uint64_t a, uint64_t b, int accumulate)
{
    asm volatile(
        "{\n"
        ".reg .pred p;\n"
        "setp.ne.b32 p, %66, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n128k32.f32.e4m3.e4m3 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
        "%64, %65, p, 1, 1;\n"
        "}\n"
        : IO16(0), IO16(16), IO16(32), IO16(48)
        : "l"(a), "l"(b), "r"(accumulate));
}
#endif

__device__ inline void multiply_slice(float (&sums)[SUMS], uint32_t a, uint32_t b, bool is_first)
{
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
    for (int k = 0; k < BLOCK_K / 32; k++)
        multiply(sums, matrix(a) + 2 * k, matrix(b) + 2 * k, !(is_first && k == 0));
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

template <int PENDING> __device__ inline void wait_products()
{
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
}

__device__ inline uint32_t pack(float low, float high)
{
    const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    return *reinterpret_cast<const uint32_t *>(&pair);
}

// Write HELD strips of 64 columns of a consumer's sums to shared memory, swizzled as the copy engine reads them.
template <int FIRST> __device__ inline void write_strips(const float (&sums)[SUMS], uint32_t out)
{
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4;
    const int row = warp * 16 + lane / 8 % 2 * 8 + lane % 8;
#pragma unroll
    for (int j = FIRST * STRIP / 8; j < BLOCK_N / 8 && j < (FIRST + HELD) * STRIP / 8; j += 2) {
        const int column = 8 * (j + lane / 16) - FIRST * STRIP;
        const int unit = column % STRIP / 8 ^ (row % 8);
        const uint32_t to = out + column / STRIP * STRIP_BYTES + row * 128 + unit * 16;
        const uint32_t r0 = pack(sums[4 * j], sums[4 * j + 1]), r1 = pack(sums[4 * j + 2], sums[4 * j + 3]);
        const uint32_t r2 = pack(sums[4 * j + 4], sums[4 * j + 5]), r3 = pack(sums[4 * j + 6], sums[4 * j + 7]);
        asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(r0), "r"(r1),
                     "r"(r2), "r"(r3)
                     : "memory");
    }
}

// Store the strips from FIRST on, HELD at a time: write them once the copy engine has read the ones before.
template <int FIRST>
__device__ inline void store_strips(const float (&sums)[SUMS], const CUtensorMap *c, int row, int column, uint32_t out,
                                    int consumer)
{
    if constexpr (FIRST < STRIPS) {
        const bool is_storer = threadIdx.x % 128 == 0;
        if (is_storer)
            asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
        sync_warpgroup(consumer);
        write_strips<FIRST>(sums, out);
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        sync_warpgroup(consumer);
        if (is_storer) {
            for (int strip = 0; strip < HELD && FIRST + strip < STRIPS; strip++)
                store(c, column + (FIRST + strip) * STRIP, row, out + strip * STRIP_BYTES);
            asm volatile("cp.async.bulk.commit_group;" ::: "memory");
        }
        store_strips<FIRST + HELD>(sums, c, row, column, out, consumer);
    }
}

// --- the walk over tiles --------------------------------------------------------------------------------------------

struct Walk {
    int tiles_m, tiles_n, slices;  // tiles_m counts the tiles of a cluster

    __device__ Walk(int M, int N, int K)
        : tiles_m((M + CLUSTER * BLOCK_M - 1) / (CLUSTER * BLOCK_M)), tiles_n((N + BLOCK_N - 1) / BLOCK_N),
          slices((K + BLOCK_K - 1) / BLOCK_K)
    {
    }

    __device__ int first() const { return blockIdx.x / CLUSTER; }
    __device__ int step() const { return gridDim.x / CLUSTER; }
    __device__ int end() const { return tiles_m * tiles_n; }

    // Row and column of this block's tile.
    __device__ void place(int number, int &row, int &column) const
    {
        const int height = CLUSTER == 2 ? GROUP / 2 : GROUP;
        const int top = number / (height * tiles_n) * height;
        const int rows = min(tiles_m - top, height), within = number % (height * tiles_n);
        row = ((top + within % rows) * CLUSTER + (CLUSTER > 1 ? block_in_cluster() : 0)) * BLOCK_M;
        column = within / rows * BLOCK_N;
    }
};

struct Ring {
    int stage = 0, phase = 0;

    __device__ void advance()
    {
        if (++stage == STAGES) {
            stage = 0;
            phase ^= 1;
        }
    }
};

__device__ inline void load_tiles(const CUtensorMap *a, const CUtensorMap *b, const Walk &walk, uint32_t stages,
                                  uint32_t full, uint32_t empty)
{
    const int rank = CLUSTER > 1 ? block_in_cluster() : 0;
    Ring ring;
    for (int number = walk.first(); number < walk.end(); number += walk.step()) {
        int row, column;
        walk.place(number, row, column);
        for (int slice = 0; slice < walk.slices; slice++, ring.advance()) {
            const uint32_t at = stages + ring.stage * STAGE_BYTES, barrier = full + 8 * ring.stage;
            wait(empty + 8 * ring.stage, ring.phase ^ 1);
            expect_bytes(barrier, STAGE_BYTES);
            load(at, a, slice * BLOCK_K, row, barrier);
            if (CLUSTER == 1) {
                load(at + A_BYTES, b, slice * BLOCK_K, column, barrier);
            } else {
                constexpr int PART = BLOCK_N / CLUSTER;
                load_for_all(at + A_BYTES + rank * PART * 128, b, slice * BLOCK_K, column + rank * PART, barrier);
            }
        }
    }
}

__device__ inline void release(uint32_t empty, int stage)
{
    // One arrival a warpgroup at every block of the cluster, for each of them loads into this block too.
    if (threadIdx.x % 128 < CLUSTER)
        arrive_at(empty + 8 * stage, threadIdx.x % 128);
}

__device__ inline void multiply_tiles(const CUtensorMap *c, const Walk &walk, uint32_t stages, uint32_t full,
                                      uint32_t empty, uint32_t out, int consumer)
{
    Ring ring;
    int until_second = consumer == 0 ? min(SKEW, walk.slices) : 0;
    if (SKEW > 0 && consumer == 1 && walk.first() < walk.end())
        wait_for_first();
    for (int number = walk.first(); number < walk.end(); number += walk.step()) {
        int row, column, last = 0;
        walk.place(number, row, column);
        float sums[SUMS];
        for (int slice = 0; slice < walk.slices; slice++, ring.advance()) {
            const uint32_t at = stages + ring.stage * STAGE_BYTES;
            wait(full + 8 * ring.stage, ring.phase);
            if (SKEW > 0 && until_second > 0 && --until_second == 0)
                allow_second();
            multiply_slice(sums, at + consumer * ROWS * 128, at + A_BYTES, slice == 0);
            if (slice > 0) {
                wait_products<1>();
                release(empty, last);
            }
            last = ring.stage;
        }
        wait_products<0>();
        release(empty, last);
        store_strips<0>(sums, c, row + consumer * ROWS, column, out, consumer);
    }
    if (threadIdx.x % 128 == 0)
        asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
}

__global__ void __launch_bounds__(THREADS, 1)
product(const __grid_constant__ CUtensorMap a, const __grid_constant__ CUtensorMap b, const __grid_constant__ CUtensorMap c,
        int M, int N, int K)
{
    extern __shared__ unsigned char raw[];
    const uint32_t stages = (address(raw) + 1023) & ~1023u, outs = stages + STAGES * STAGE_BYTES;
    const uint32_t full = outs + OUT_BYTES, empty = full + 8 * STAGES;
    if (threadIdx.x == 0) {
        for (int stage = 0; stage < STAGES; stage++) {
            init_barrier(full + 8 * stage, 1);
            init_barrier(empty + 8 * stage, CONSUMERS * CLUSTER);
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    if (CLUSTER > 1)
        sync_cluster();
    else
        __syncthreads();
    const Walk walk(M, N, K);
    if (threadIdx.x < 128) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(LOADER_REGISTERS));
        if (threadIdx.x == 0)
            load_tiles(&a, &b, walk, stages, full, empty);
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(CONSUMER_REGISTERS));
        const int consumer = threadIdx.x / 128 - 1;
        multiply_tiles(&c, walk, stages, full, empty, outs + consumer * HELD * STRIP_BYTES, consumer);
    }
    // A block must not end while another still loads into it, or arrives at its barriers.
    __syncwarp();
    if (CLUSTER > 1)
        sync_cluster();
}

// --- the host -------------------------------------------------------------------------------------------------------

using Encode = decltype(&cuTensorMapEncodeTiled);

Encode find_encode()
{
    void *found = nullptr;
    cudaDriverEntryPointQueryResult result;
    cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &result);
    return reinterpret_cast<Encode>(found);
}

CUtensorMap map_of(const void *matrix, int rows, int columns, int box_rows, int box_columns, CUtensorMapDataType type)
{
    static const Encode encode = find_encode();
    const int item = type == CU_TENSOR_MAP_DATA_TYPE_UINT8 ? 1 : 2;
    CUtensorMap map;
    const cuuint64_t shape[] = {(cuuint64_t)columns, (cuuint64_t)rows}, strides[] = {(cuuint64_t)columns * item};
    const cuuint32_t box[] = {(cuuint32_t)box_columns, (cuuint32_t)box_rows}, steps[] = {1, 1};
    encode(&map, type, 2, const_cast<void *>(matrix), shape, strides, box, steps,
           CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
           CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    return map;
}

int blocks_of_device()
{
    int count = 0;
    cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, 0);
    cudaFuncSetAttribute(product, cudaFuncAttributeMaxDynamicSharedMemorySize, SHARED_BYTES);
    return (count - SPARE) / CLUSTER * CLUSTER;
}

}  // namespace

extern "C" void matmul(const __nv_fp8_e4m3 *A, const __nv_fp8_e4m3 *B, __nv_bfloat16 *C, int M, int N, int K,
                       cudaStream_t stream)
{
    static const int blocks = blocks_of_device();
    const CUtensorMap a = map_of(A, M, K, BLOCK_M, BLOCK_K, CU_TENSOR_MAP_DATA_TYPE_UINT8);
    const CUtensorMap b = map_of(B, N, K, BLOCK_N / CLUSTER, BLOCK_K, CU_TENSOR_MAP_DATA_TYPE_UINT8);
    const CUtensorMap c = map_of(C, M, N, ROWS, STRIP, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16);
    cudaLaunchAttribute attribute;
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim.x = CLUSTER;
    attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(blocks);
    config.blockDim = dim3(THREADS);
    config.dynamicSmemBytes = SHARED_BYTES;
    config.stream = stream;
    config.attrs = &attribute;
    config.numAttrs = 1;
    cudaLaunchKernelEx(&config, product, a, b, c, M, N, K);
}
