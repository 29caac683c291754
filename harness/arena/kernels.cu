// What the judge computes on a GPU: secret inputs, checksums of them, samples, and the examination of outputs.
//
// Trusted code, compiled once for the machine (arena/cuda.py loads it). Matrices are row-major and dense; T is how an
// element is stored. Numbers are examined in fp32, or as bits.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <stdint.h>

typedef unsigned long long u64;

enum kind { NORMAL = 0, SMALL_INTEGERS = 1, WIDE_RANGE = 2 };

// --- how elements are stored ------------------------------------------------------------------------------------

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

// Philox4x32-10 (Salmon et al. 2011): counter-based, so any element can be computed from key and index alone.
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

// Box and Muller 1958: two uniform words make two normal numbers.
__device__ inline float2 normals(uint32_t a, uint32_t b)
{
    const float radius = sqrtf(-2.0f * __logf(((float)a + 1.0f) * 2.3283064e-10f));
    float sine, cosine;
    __sincosf((float)b * 1.4629180792671596e-9f, &sine, &cosine);
    return make_float2(radius * cosine, radius * sine);
}

// A row's power of two, from -range to range.
__device__ inline float row_scale(u64 row, int range, const Key &key)
{
    const uint32_t word = random_words(row | (1ull << 63), key).x;
    return exp2f((float)((int)(word % (2 * range + 1)) - range));
}

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

// A keyed sum over 16-byte words: who does not know the key cannot change a word and keep the sum.
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

extern "C" __global__ void gather(const uint32_t *words, const u64 *places, int n, uint32_t *out)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        out[i] = words[places[i]];
}

extern "C" __global__ void nothing() {}

// --- products with vectors (Freivalds 1977) ---------------------------------------------------------------------

template <int N> __device__ inline void sum_over_block(float (&values)[N], float *shared)
{
#pragma unroll
    for (int i = 0; i < N; i++) {
        float v = values[i];
        for (int lane = 16; lane; lane /= 2)
            v += __shfl_down_sync(~0u, v, lane);
        if (threadIdx.x % 32 == 0)
            shared[i * 32 + threadIdx.x / 32] = v;
    }
    __syncthreads();
    if (threadIdx.x < N) {
        float v = 0;
        for (unsigned warp = 0; warp < blockDim.x / 32; warp++)
            v += shared[threadIdx.x * 32 + warp];
        shared[threadIdx.x * 32] = v;
    }
    __syncthreads();
}

// y[r] = sum over c of m[r][c] x[c], four vectors at once; squares[r] = sum of m[r][c]^2. A block takes ROWS rows.
template <class T, int V>
__device__ void row_products(const T *m, u64 rows, u64 cols, const float4 *x, float4 *y, float *squares)
{
    constexpr int ROWS = 4;
    __shared__ float shared[ROWS * 5 * 32];
    const u64 first = (u64)blockIdx.x * ROWS;
    float sums[ROWS * 5] = {};
    for (u64 c = (u64)threadIdx.x * V; c < cols; c += (u64)blockDim.x * V) {
        Pack<T, V> packs[ROWS];
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            if (first + r < rows)
                packs[r] = *reinterpret_cast<const Pack<T, V> *>(m + (first + r) * cols + c);
#pragma unroll
        for (int j = 0; j < V; j++) {
            const float4 factor = x[c + j];
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                const float value = decode(packs[r].at[j]);
                sums[5 * r + 0] = fmaf(value, factor.x, sums[5 * r + 0]);
                sums[5 * r + 1] = fmaf(value, factor.y, sums[5 * r + 1]);
                sums[5 * r + 2] = fmaf(value, factor.z, sums[5 * r + 2]);
                sums[5 * r + 3] = fmaf(value, factor.w, sums[5 * r + 3]);
                sums[5 * r + 4] = fmaf(value, value, sums[5 * r + 4]);
            }
        }
    }
    sum_over_block(sums, shared);
    const int r = threadIdx.x;
    if (r < ROWS && first + r < rows) {
        const float *of = shared + 5 * r * 32;
        y[first + r] = make_float4(of[0], of[32], of[64], of[96]);
        squares[first + r] = of[128];
    }
}

// y[c] += sum over r of m[r][c] x[r], four vectors at once; y starts at zero. A block takes a slab of rows.
// scale[v] += sum over r and c of m[r][c]^2 x[r][v]^2: what independent errors in the elements of a row of the product
// add up to. It starts at zero, too.
template <class T, int V>
__device__ void column_products(const T *m, u64 rows, u64 cols, const float4 *x, float4 *y, float *scale)
{
    constexpr int SLAB = 128;
    __shared__ float shared[4 * 32];
    const u64 c = ((u64)blockIdx.x * blockDim.x + threadIdx.x) * V;
    const u64 begin = (u64)blockIdx.y * SLAB, end = begin + SLAB < rows ? begin + SLAB : rows;
    float4 sums[V] = {};
    float squares[4] = {};
#pragma unroll 4
    for (u64 r = begin; r < end && c < cols; r++) {
        const float4 factor = x[r];
        float of_row = 0;
        const Pack<T, V> pack = *reinterpret_cast<const Pack<T, V> *>(m + r * cols + c);
#pragma unroll
        for (int j = 0; j < V; j++) {
            const float value = decode(pack.at[j]);
            sums[j].x = fmaf(value, factor.x, sums[j].x);
            sums[j].y = fmaf(value, factor.y, sums[j].y);
            sums[j].z = fmaf(value, factor.z, sums[j].z);
            sums[j].w = fmaf(value, factor.w, sums[j].w);
            of_row = fmaf(value, value, of_row);
        }
        squares[0] = fmaf(of_row, factor.x * factor.x, squares[0]);
        squares[1] = fmaf(of_row, factor.y * factor.y, squares[1]);
        squares[2] = fmaf(of_row, factor.z * factor.z, squares[2]);
        squares[3] = fmaf(of_row, factor.w * factor.w, squares[3]);
    }
    sum_over_block(squares, shared);
    if (threadIdx.x < 4)
        atomicAdd(&scale[threadIdx.x], shared[threadIdx.x * 32]);
#pragma unroll
    for (int j = 0; j < V && c < cols; j++) {
        atomicAdd(&y[c + j].x, sums[j].x);
        atomicAdd(&y[c + j].y, sums[j].y);
        atomicAdd(&y[c + j].z, sums[j].z);
        atomicAdd(&y[c + j].w, sums[j].w);
    }
}

__device__ inline float in_units(float error, float scale)
{
    // Where the scale is zero the right answer is exactly zero, and any error is infinitely large.
    if (!isfinite(error))
        return __int_as_float(0x7f800000);
    return scale > 0 ? error / scale : (error > 0 ? __int_as_float(0x7f800000) : 0.0f);
}

__device__ inline void raise_to(float *maximum, float value)
{
    atomicMax(reinterpret_cast<int *>(maximum), __float_as_int(value));  // not negative, so ordered as integers
}

struct Residuals {
    double squares;  // of all residuals in units of their scale
    double largest;
};

// Residuals |got - wanted| of every row and vector, in units of |a_i| sqrt(scale).
extern "C" __global__ void residual(const float4 *got, const float4 *wanted, const float *squares, const float *scale,
                                    u64 rows, Residuals *found)
{
    const u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x;
    float largest = 0, sum = 0;
    if (i < rows) {
        const float4 g = got[i], w = wanted[i];
        const float errors[4] = {fabsf(g.x - w.x), fabsf(g.y - w.y), fabsf(g.z - w.z), fabsf(g.w - w.w)};
        for (int v = 0; v < 4; v++) {
            const float units = in_units(errors[v], sqrtf(squares[i] * scale[v]));
            largest = fmaxf(largest, units);
            sum += units * units;
        }
    }
    for (int lane = 16; lane; lane /= 2) {
        largest = fmaxf(largest, __shfl_down_sync(~0u, largest, lane));
        sum += __shfl_down_sync(~0u, sum, lane);
    }
    if (threadIdx.x % 32 == 0) {
        // Not negative, so ordered as integers.
        atomicMax(reinterpret_cast<long long *>(&found->largest), __double_as_longlong(largest));
        atomicAdd(&found->squares, (double)sum);
    }
}

// --- comparison with a reference --------------------------------------------------------------------------------

struct Errors {
    double squares;   // of errors in units of their scale
    u64 beyond;       // elements farther off than allowed
    u64 mismatches;   // elements that are not the correctly rounded result
    u64 unwritten;    // elements that still hold the poison
    u64 small;        // elements whose right values lie in the band of small ones
    u64 coarse;       // of these, elements that end in two zero bits
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

// Whether the last two stored bits of the mantissa are zero, of a type's normal numbers.
template <class T> __device__ inline bool ends_in_zeros(float v)
{
    return (__float_as_uint(v) >> (23 - mantissa_bits<T>) & 3) == 0;
}

// An element's scale is |a_i| |b_j| where `left` is given (squared lengths of rows), else its magnitude plus `rms`.
// Small is what lies from `low` to `high` in units of the scale.
template <class T>
__device__ void compare(const T *got, const float *expected, u64 rows, u64 cols, const float *left, const float *right,
                        float rms, float allowed, float low, float high, uint32_t poison, Errors *errors,
                        unsigned char *wrong)
{
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

// --- one of each for every way an element is stored -------------------------------------------------------------

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
    extern "C" __global__ void rows_##name(const T *m, u64 rows, u64 cols, const float4 *x, float4 *y, float *squares) \
    {                                                                                                                  \
        if (cols * sizeof(T) % 16 == 0)                                                                                \
            row_products<T, 16 / sizeof(T)>(m, rows, cols, x, y, squares);                                             \
        else                                                                                                           \
            row_products<T, 1>(m, rows, cols, x, y, squares);                                                          \
    }                                                                                                                  \
    extern "C" __global__ void columns_##name(const T *m, u64 rows, u64 cols, const float4 *x, float4 *y,              \
                                              float *scale)                                                            \
    {                                                                                                                  \
        if (cols % 4 == 0)                                                                                             \
            column_products<T, 4>(m, rows, cols, x, y, scale);                                                         \
        else                                                                                                           \
            column_products<T, 1>(m, rows, cols, x, y, scale);                                                         \
    }                                                                                                                  \
    extern "C" __global__ void compare_##name(const T *got, const float *expected, u64 rows, u64 cols,                 \
                                              const float *left, const float *right, float rms, float allowed,         \
                                              float low, float high, uint32_t poison, Errors *errors,                  \
                                              unsigned char *wrong)                                                    \
    {                                                                                                                  \
        compare<T>(got, expected, rows, cols, left, right, rms, allowed, low, high, poison, errors, wrong);            \
    }

FOR_TYPE(float32, float)
FOR_TYPE(float16, __half)
FOR_TYPE(bfloat16, __nv_bfloat16)
FOR_TYPE(float8_e4m3fn, __nv_fp8_e4m3)
