// The judge's kernels on a GPU: they fill secret inputs, compute checksums, read samples, and examine outputs.
//
// This code is trusted and compiled once per machine; memory/kernels.py loads it. Matrices are row-major and dense; T
// is the type in which an element is stored. Values are compared in fp32, or bit by bit.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <stdint.h>

typedef unsigned long long u64;

enum kind { NORMAL = 0, SMALL_INTEGERS = 1, WIDE_RANGE = 2 };

// --- decoding and encoding --------------------------------------------------------------------------------------

__device__ inline float decode(float v) { return v; }
__device__ inline float decode(__half v) { return __half2float(v); }
__device__ inline float decode(__nv_bfloat16 v) { return __bfloat162float(v); }
__device__ inline float decode(__nv_fp8_e4m3 v) { return static_cast<float>(v); }

template <class T> __device__ inline T encode(float v);
template <> __device__ inline float encode<float>(float v) { return v; }
template <> __device__ inline __half encode<__half>(float v) { return __float2half_rn(v); }
template <> __device__ inline __nv_bfloat16 encode<__nv_bfloat16>(float v) { return __float2bfloat16_rn(v); }
template <> __device__ inline __nv_fp8_e4m3 encode<__nv_fp8_e4m3>(float v) { return __nv_fp8_e4m3(v); }

template <class T> constexpr int mantissa_bits = 23;
template <> constexpr int mantissa_bits<__half> = 10;
template <> constexpr int mantissa_bits<__nv_bfloat16> = 7;
template <> constexpr int mantissa_bits<__nv_fp8_e4m3> = 3;

template <class T, int N> struct alignas(sizeof(T) * N) Pack {
    T at[N];
};

// --- secret inputs ----------------------------------------------------------------------------------------------

// Philox4x32-10 (Salmon et al. 2011): counter-based, so each element can be computed from its index and the key.
__device__ inline uint4 philox(uint4 c, uint2 k)
{
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const uint32_t high0 = __umulhi(0xD2511F53u, c.x), low0 = 0xD2511F53u * c.x;
        const uint32_t high1 = __umulhi(0xCD9E8D57u, c.z), low1 = 0xCD9E8D57u * c.z;
        c = make_uint4(high1 ^ c.y ^ k.x, low1, high0 ^ c.w ^ k.y, low0);
        k.x += 0x9E3779B9u;
        k.y += 0xBB67AE85u;
    }
    return c;
}

struct Key {
    uint2 low, high;
};

__device__ inline uint4 random_words(u64 index, const Key &key)
{
    return philox(make_uint4((uint32_t)index, (uint32_t)(index >> 32), key.high.x, key.high.y), key.low);
}

// Box-Muller transform (1958): returns two normal numbers, computed from two uniform 32-bit words.
__device__ inline float2 normals(uint32_t a, uint32_t b)
{
    const float radius = sqrtf(-2.0f * __logf(((float)a + 1.0f) * 2.3283064e-10f));
    float sine, cosine;
    __sincosf((float)b * 1.4629180792671596e-9f, &sine, &cosine);
    return make_float2(radius * cosine, radius * sine);
}

// Returns the factor of a row: 2 to a random exponent from -range to range.
__device__ inline float row_scale(u64 row, int range, const Key &key)
{
    const uint32_t word = random_words(row | (1ull << 63), key).x;
    return exp2f((float)((int)(word % (2 * range + 1)) - range));
}

// Fills `out` with n elements of random data of a kind; the factor of a WIDE_RANGE row depends on key and row.
template <class T>
__device__ void fill(T *out, u64 n, u64 row_length, int kind, int range, Key key)
{
    constexpr int PACK = 8;
    const u64 stride = (u64)gridDim.x * blockDim.x;
    for (u64 group = blockIdx.x * (u64)blockDim.x + threadIdx.x; group * PACK < n; group += stride) {
        Pack<T, PACK> pack;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const uint4 w = random_words(2 * group + half, key);
            const uint32_t words[4] = {w.x, w.y, w.z, w.w};
            const float2 first = normals(w.x, w.y), second = normals(w.z, w.w);
            const float drawn[4] = {first.x, first.y, second.x, second.y};
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const u64 place = group * PACK + 4 * half + i;
                float value = kind == SMALL_INTEGERS ? (float)(int)(words[i] % 9) - 4.0f : drawn[i];
                if (kind == WIDE_RANGE)
                    value *= row_scale(place / row_length, range, key);
                pack.at[4 * half + i] = encode<T>(value);
            }
        }
        if (group * PACK + PACK <= n)
            *reinterpret_cast<Pack<T, PACK> *>(out + group * PACK) = pack;
        else
            for (int i = 0; group * PACK + i < n; i++)
                out[group * PACK + i] = pack.at[i];
    }
}

// --- tampering --------------------------------------------------------------------------------------------------

// Adds a keyed sum over n 16-byte words to *sum. Without the key, no one can change a word and keep the sum.
extern "C" __global__ void checksum(const ulonglong2 *words, u64 n, u64 key0, u64 key1, u64 *sum)
{
    u64 total = 0;
    const u64 stride = (u64)gridDim.x * blockDim.x;
    for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < n; i += stride) {
        const u64 a = words[i].x ^ (key0 + i * 0x9E3779B97F4A7C15ull), b = words[i].y ^ (key1 - i * 0xD6E8FEB86659FD93ull);
        total += (a * b) ^ __umul64hi(a, b);
    }
    for (int lane = 16; lane; lane /= 2)
        total += __shfl_down_sync(~0u, total, lane);
    if (threadIdx.x % 32 == 0)
        atomicAdd(sum, total);
}

// Copies the words at n indices (`places`) to `out`, which may lie in pinned host memory.
extern "C" __global__ void gather(const uint32_t *words, const u64 *places, int n, uint32_t *out)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        out[i] = words[places[i]];
}

// Measures whether other kernels run: this empty kernel then takes longer.
extern "C" __global__ void nothing() {}

// --- products with vectors (Freivalds 1977) ---------------------------------------------------------------------
//
// One launch handles all calls of a batch: matrices[call] points to the matrix of one call. Four vectors are stored
// together as float4; `padded` is the number of float4 per call, or 0 if all calls share the same vectors.

// Returns the index of element c of four vectors that multiply rows read in packs of V. In this order, neighbouring
// lanes, which hold neighbouring packs, read neighbouring float4. Vectors are padded to whole tiles of 32 packs.
__device__ inline u64 place_of(u64 c, int V)
{
    const u64 tile = 32 * V;
    return c / tile * tile + c % V * 32 + c / V % 32;
}

template <class T, int V> __device__ inline float decode(const Pack<T, V> &pack, int j) { return decode(pack.at[j]); }

// The hardware converts two elements at a time; in an unrolled loop the compiler removes every second conversion.
template <int V> __device__ inline float decode(const Pack<__nv_fp8_e4m3, V> &pack, int j)
{
    if constexpr (V == 1)
        return decode(pack.at[j]);
    const __nv_fp8x2_storage_t *pairs = reinterpret_cast<const __nv_fp8x2_storage_t *>(&pack);
    const float2 pair = __half22float2(__half2(__nv_cvt_fp8x2_to_halfraw2(pairs[j / 2], __NV_E4M3)));
    return j % 2 ? pair.y : pair.x;
}

__device__ inline float sum_over_warp(float v)
{
    for (int lane = 16; lane; lane /= 2)
        v += __shfl_down_sync(~0u, v, lane);
    return v;
}

// Computes y[r] = sum over c of m[r][c] x[c], and unless `squares` is null squares[r] = sum over c of m[r][c]^2. One
// warp computes ROWS rows.
template <class T, int V>
__device__ void row_products(const T *m, u64 rows, u64 cols, const float4 *x, float4 *y, float *squares)
{
    constexpr int ROWS = 4;
    const u64 first = (blockIdx.x * (u64)(blockDim.x / 32) + threadIdx.x / 32) * ROWS;
    const unsigned lane = threadIdx.x % 32;
    float sums[ROWS][4] = {}, of_rows[ROWS] = {};
#pragma unroll 2
    for (u64 c = lane * V; c < cols; c += 32 * V) {
        Pack<T, V> packs[ROWS] = {};
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            if (first + r < rows)
                packs[r] = *reinterpret_cast<const Pack<T, V> *>(m + (first + r) * cols + c);
        const float4 *factors = x + (c - lane * V) + lane;
#pragma unroll
        for (int j = 0; j < V; j++) {
            const float4 factor = factors[j * 32];
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                const float value = decode(packs[r], j);
                sums[r][0] = fmaf(value, factor.x, sums[r][0]);
                sums[r][1] = fmaf(value, factor.y, sums[r][1]);
                sums[r][2] = fmaf(value, factor.z, sums[r][2]);
                sums[r][3] = fmaf(value, factor.w, sums[r][3]);
                if (squares)
                    of_rows[r] = fmaf(value, value, of_rows[r]);
            }
        }
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        const float4 sum = make_float4(sum_over_warp(sums[r][0]), sum_over_warp(sums[r][1]), sum_over_warp(sums[r][2]),
                                       sum_over_warp(sums[r][3]));
        const float of_row = sum_over_warp(of_rows[r]);
        if (lane == 0 && first + r < rows) {
            y[first + r] = sum;
            if (squares)
                squares[first + r] = of_row;
        }
    }
}

constexpr int COLUMN_PACK = 8;

// Adds to y[c] the sum over r of m[r][c] x[r], for one slab of rows per block. x is ordered for packs of `x_pack`
// elements, y for packs of `y_pack`; see place_of.
// Adds to scale[v] the sum over r and c of m[r][c]^2 x[r][v]^2. If the elements of row i of the product have independent
// errors, each relative to |a_i| |b_j|, then the variance of the residual is proportional to |a_i|^2 scale[v].
// The caller sets y and scale to zero first.
template <class T, int V>
__device__ void column_products(const T *m, u64 rows, u64 cols, const float4 *x, int x_pack, float4 *y, int y_pack,
                                float4 *scale)
{
    constexpr int SLAB = 256;
    __shared__ float4 factors[SLAB];
    const u64 c = ((u64)blockIdx.x * blockDim.x + threadIdx.x) * V;
    const u64 begin = (u64)blockIdx.y * SLAB, count = begin + SLAB < rows ? SLAB : rows - begin;
    for (u64 r = threadIdx.x; r < count; r += blockDim.x)
        factors[r] = x[place_of(begin + r, x_pack)];
    __syncthreads();
    float4 sums[V] = {}, squares = {};
#pragma unroll 8
    for (u64 r = 0; r < count && c < cols; r++) {
        const float4 factor = factors[r];
        float of_row = 0;
        const Pack<T, V> pack = *reinterpret_cast<const Pack<T, V> *>(m + (begin + r) * cols + c);
#pragma unroll
        for (int j = 0; j < V; j++) {
            const float value = decode(pack, j);
            sums[j].x = fmaf(value, factor.x, sums[j].x);
            sums[j].y = fmaf(value, factor.y, sums[j].y);
            sums[j].z = fmaf(value, factor.z, sums[j].z);
            sums[j].w = fmaf(value, factor.w, sums[j].w);
            of_row = fmaf(value, value, of_row);
        }
        squares.x = fmaf(of_row, factor.x * factor.x, squares.x);
        squares.y = fmaf(of_row, factor.y * factor.y, squares.y);
        squares.z = fmaf(of_row, factor.z * factor.z, squares.z);
        squares.w = fmaf(of_row, factor.w * factor.w, squares.w);
    }
    squares = make_float4(sum_over_warp(squares.x), sum_over_warp(squares.y), sum_over_warp(squares.z),
                          sum_over_warp(squares.w));
    if (threadIdx.x % 32 == 0)
        atomicAdd(scale, squares);
#pragma unroll
    for (int j = 0; j < V && c < cols; j++)
        atomicAdd(&y[place_of(c + j, y_pack)], sums[j]);
}

// Returns error / scale. If the scale is zero, the right value is exactly zero, and any error counts as infinite.
__device__ inline float in_units(float error, float scale)
{
    if (!isfinite(error))
        return __int_as_float(0x7f800000);
    return scale > 0 ? error / scale : (error > 0 ? __int_as_float(0x7f800000) : 0.0f);
}

__device__ inline void raise_to(float *maximum, float value)
{
    atomicMax(reinterpret_cast<int *>(maximum), __float_as_int(value));  // not negative, so floats compare like integers
}

struct Residuals {
    double squares;  // sum of squared residuals, in units of their scale
    double largest;
};

// Computes the residuals |got - wanted| of every row and vector, in units of |a_i| sqrt(scale). blockIdx.y is the call.
extern "C" __global__ void residual(const float4 *got, const float4 *wanted, const float *squares, const float4 *scale,
                                    u64 rows, Residuals *found)
{
    const u64 row = blockIdx.x * (u64)blockDim.x + threadIdx.x, i = blockIdx.y * rows + row;
    float largest = 0, sum = 0;
    if (row < rows) {
        const float4 g = got[i], w = wanted[i], s = scale[blockIdx.y];
        const float errors[4] = {fabsf(g.x - w.x), fabsf(g.y - w.y), fabsf(g.z - w.z), fabsf(g.w - w.w)};
        const float scales[4] = {s.x, s.y, s.z, s.w};
        for (int v = 0; v < 4; v++) {
            const float units = in_units(errors[v], sqrtf(squares[i] * scales[v]));
            largest = fmaxf(largest, units);
            sum += units * units;
        }
    }
    sum = sum_over_warp(sum);
    for (int lane = 16; lane; lane /= 2)
        largest = fmaxf(largest, __shfl_down_sync(~0u, largest, lane));
    if (threadIdx.x % 32 == 0) {
        // Not negative, so doubles compare like integers.
        atomicMax(reinterpret_cast<long long *>(&found[blockIdx.y].largest), __double_as_longlong(largest));
        atomicAdd(&found[blockIdx.y].squares, (double)sum);
    }
}

// --- comparison with a reference --------------------------------------------------------------------------------

struct Errors {
    double squares;   // sum of squared errors, in units of their scale
    u64 beyond;       // elements farther off than allowed
    u64 mismatches;   // elements that are not the correctly rounded result
    u64 unwritten;    // elements that still hold the poison word
    u64 small;        // elements whose right values lie in the band of small values
    u64 coarse;       // small elements whose stored values end in two zero bits
    float largest;
    float unused;
};

__device__ inline bool is_poison(const void *element, size_t bytes, u64 index, uint32_t word)
{
    const unsigned char *got = static_cast<const unsigned char *>(element);
    for (size_t b = 0; b < bytes; b++)
        if (got[b] != (unsigned char)(word >> (8 * ((index * bytes + b) % 4))))
            return false;
    return true;
}

// Returns whether the last two stored bits of the mantissa are zero; for normal numbers of the type T.
template <class T> __device__ inline bool ends_in_zeros(float v)
{
    return (__float_as_uint(v) >> (23 - mantissa_bits<T>) & 3) == 0;
}

// Adds the errors of one call's output to errors[call]; blockIdx.y is the call. The calls follow each other in memory.
// For a product (`left` and `right` hold squared lengths of the factors' rows) the scale of an element is |a_i| |b_j|;
// otherwise the scale is the element's expected magnitude plus the call's rms. An element is small if its expected
// magnitude is at least `low` and less than `high`, in units of the scale. `wrong` receives a flag per element unless it
// is null.
template <class T>
__device__ void compare(const T *got, const float *expected, u64 rows, u64 cols, const float *left, const float *right,
                        const float *rms_of_calls, float allowed, float low, float high, uint32_t poison, Errors *errors,
                        unsigned char *wrong)
{
    got += blockIdx.y * rows * cols;
    expected += blockIdx.y * rows * cols;
    errors += blockIdx.y;
    const float rms = left ? 0 : rms_of_calls[blockIdx.y];
    double squares = 0;
    u64 beyond = 0, mismatches = 0, unwritten = 0, small = 0, coarse = 0;
    float largest = 0;
    const u64 stride = (u64)gridDim.x * blockDim.x;
    for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < rows * cols; i += stride) {
        const float wanted = expected[i], value = decode(got[i]);
        const float scale = left ? sqrtf(left[i / cols]) * sqrtf(right[i % cols]) : fabsf(wanted) + rms;
        const float units = in_units(fabsf(value - wanted), scale);
        const bool is_wrong = units > allowed;
        squares += (double)units * units;
        beyond += is_wrong;
        mismatches += decode(encode<T>(wanted)) != value;
        unwritten += is_poison(got + i, sizeof(T), i, poison);
        const bool is_small = fabsf(wanted) >= low * scale && fabsf(wanted) < high * scale;
        small += is_small;
        coarse += is_small && ends_in_zeros<T>(value);
        largest = fmaxf(largest, units);
        if (wrong)
            wrong[i] = is_wrong;
    }
    for (int lane = 16; lane; lane /= 2) {
        squares += __shfl_down_sync(~0u, squares, lane);
        beyond += __shfl_down_sync(~0u, beyond, lane);
        mismatches += __shfl_down_sync(~0u, mismatches, lane);
        unwritten += __shfl_down_sync(~0u, unwritten, lane);
        small += __shfl_down_sync(~0u, small, lane);
        coarse += __shfl_down_sync(~0u, coarse, lane);
        largest = fmaxf(largest, __shfl_down_sync(~0u, largest, lane));
    }
    if (threadIdx.x % 32 == 0) {
        atomicAdd(&errors->squares, squares);
        atomicAdd(&errors->beyond, beyond);
        atomicAdd(&errors->mismatches, mismatches);
        atomicAdd(&errors->unwritten, unwritten);
        atomicAdd(&errors->small, small);
        atomicAdd(&errors->coarse, coarse);
        raise_to(&errors->largest, largest);
    }
}

// --- instances for every dtype ----------------------------------------------------------------------------------

#define FOR_TYPE(name, T)                                                                                              \
    extern "C" __global__ void fill_##name(T *out, u64 n, u64 row_length, int kind, int range, u64 low, u64 high)      \
    {                                                                                                                  \
        const Key key = {make_uint2((uint32_t)low, (uint32_t)(low >> 32)),                                             \
                         make_uint2((uint32_t)high, (uint32_t)(high >> 32))};                                          \
        fill<T>(out, n, row_length, kind, range, key);                                                                 \
    }                                                                                                                  \
    extern "C" __global__ void decode_##name(const T *in, float *out, u64 n)                                           \
    {                                                                                                                  \
        const u64 stride = (u64)gridDim.x * blockDim.x;                                                                \
        for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < n; i += stride)                                   \
            out[i] = decode(in[i]);                                                                                    \
    }                                                                                                                  \
    extern "C" __global__ void encode_##name(const float *in, T *out, u64 n)                                           \
    {                                                                                                                  \
        const u64 stride = (u64)gridDim.x * blockDim.x;                                                                \
        for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < n; i += stride)                                   \
            out[i] = encode<T>(in[i]);                                                                                 \
    }                                                                                                                  \
    extern "C" __global__ void pick_##name(const T *const *rows, u64 cols, T *out)                                     \
    {                                                                                                                  \
        for (u64 c = threadIdx.x; c < cols; c += blockDim.x)                                                           \
            out[blockIdx.x * cols + c] = rows[blockIdx.x][c];                                                          \
    }                                                                                                                  \
    extern "C" __global__ void rows_##name(const T *const *matrices, u64 rows, u64 cols, int pack, const float4 *x,    \
                                           u64 padded, float4 *y, float *squares)                                      \
    {                                                                                                                  \
        const u64 call = blockIdx.y;                                                                                   \
        float *of_call = squares ? squares + call * rows : nullptr;                                                    \
        if (pack == 1)                                                                                                 \
            row_products<T, 1>(matrices[call], rows, cols, x + call * padded, y + call * rows, of_call);               \
        else                                                                                                           \
            row_products<T, 16 / sizeof(T)>(matrices[call], rows, cols, x + call * padded, y + call * rows, of_call);  \
    }                                                                                                                  \
    extern "C" __global__ void columns_##name(const T *const *matrices, u64 rows, u64 cols, const float4 *x, int x_pack,\
                                              float4 *y, int y_pack, u64 padded, float4 *scale)                        \
    {                                                                                                                  \
        const u64 call = blockIdx.z;                                                                                   \
        if (cols % COLUMN_PACK == 0)                                                                                   \
            column_products<T, COLUMN_PACK>(matrices[call], rows, cols, x, x_pack, y + call * padded, y_pack,          \
                                            scale + call);                                                             \
        else                                                                                                           \
            column_products<T, 1>(matrices[call], rows, cols, x, x_pack, y + call * padded, y_pack, scale + call);     \
    }                                                                                                                  \
    extern "C" __global__ void compare_##name(const T *got, const float *expected, u64 rows, u64 cols,                 \
                                              const float *left, const float *right, const float *rms, float allowed,  \
                                              float low, float high, uint32_t poison, Errors *errors,                  \
                                              unsigned char *wrong)                                                    \
    {                                                                                                                  \
        compare<T>(got, expected, rows, cols, left, right, rms, allowed, low, high, poison, errors, wrong);            \
    }

FOR_TYPE(float32, float)
FOR_TYPE(float16, __half)
FOR_TYPE(bfloat16, __nv_bfloat16)
FOR_TYPE(float8_e4m3fn, __nv_fp8_e4m3)
