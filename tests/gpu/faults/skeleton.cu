// C = A Bᵀ, a 32 x 32 tile a block: plain and right. FAULT marks where a test puts what goes wrong.
__global__ void product(const __nv_bfloat16 *A, const __nv_bfloat16 *B, __nv_bfloat16 *C, int N, int K)
{
    __shared__ float a[32][33], b[32][33];
    const int row = blockIdx.y * 32 + threadIdx.y, column = blockIdx.x * 32 + threadIdx.x;
    float sum = 0;
    for (int k = 0; k < K; k += 32) {
        a[threadIdx.y][threadIdx.x] = __bfloat162float(A[(size_t)row * K + k + threadIdx.x]);
        b[threadIdx.y][threadIdx.x] = __bfloat162float(B[(size_t)(blockIdx.x * 32 + threadIdx.y) * K + k + threadIdx.x]);
        __syncthreads();
        for (int j = 0; j < 32; j++)
            sum += a[threadIdx.y][j] * b[threadIdx.x][j];
        __syncthreads();
    }
    /* KERNEL FAULT */
    C[(size_t)row * N + column] = __float2bfloat16(sum);
}

extern "C" void matmul(const __nv_bfloat16 *A, const __nv_bfloat16 *B, __nv_bfloat16 *C, int M, int N, int K,
                       cudaStream_t stream)
{
    dim3 threads(32, 32);
    /* HOST FAULT */
    product<<<dim3(N / 32, M / 32), threads, 0, stream>>>(A, B, C, N, K);
}
