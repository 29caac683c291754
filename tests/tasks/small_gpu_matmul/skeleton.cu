// Broken on purpose: adds to C, which arrives full of NaN.
__global__ void product(const __nv_bfloat16 *A, const __nv_bfloat16 *B, __nv_bfloat16 *C, int N, int K)
{
    const int row = blockIdx.y, column = blockIdx.x * blockDim.x + threadIdx.x;
    float sum = 0;
    for (int k = 0; column < N && k < K; k++)
        sum += __bfloat162float(A[(size_t)row * K + k]) * __bfloat162float(B[(size_t)column * K + k]);
    if (column < N)
        C[(size_t)row * N + column] += __float2bfloat16(sum);
}

extern "C" void matmul(const __nv_bfloat16 *A, const __nv_bfloat16 *B, __nv_bfloat16 *C, int M, int N, int K,
                       cudaStream_t stream)
{
    product<<<dim3((N + 127) / 128, M), 128, 0, stream>>>(A, B, C, N, K);
}
