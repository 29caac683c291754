"""The candidate ABI in C, from a task's signature: the declaration, and the shim through which the worker calls it."""

from harness.contract import ITEM_BYTES, type_names
from harness.task import Task

C_TYPES = type_names("c")
"""What a C candidate may be given; narrower types are the GPU tasks'."""


def declaration(task: Task) -> str:
    """`void matmul(const float *A, const float *B, float *C, int M, int N, int K);`"""
    types = {buffer.name: f"{'' if buffer.is_output else 'const '}{C_TYPES[buffer.dtype]} *" for buffer in task.buffers}
    arguments = ", ".join(types.get(name, "int ") + name for name, _ in task.arguments)
    return f"void {task.entry}({arguments});"


def shim(task: Task) -> str:
    """A small C file, built with the candidate, that unpacks buffers and sizes into the entry function's arguments."""
    columns = {buffer.name: f"buffers[{i}]" for i, buffer in enumerate(task.buffers)}
    columns |= {name: f"(int)sizes[{i}]" for i, name in enumerate(task.size_names)}
    arguments = ", ".join(columns[name] for name, _ in task.arguments)
    return (
        "#include <stdint.h>\n"
        f"{declaration(task)}\n"
        "void ks_call(void *const *buffers, const int64_t *sizes)\n"
        f"{{\n    {task.entry}({arguments});\n}}\n"
    )


def standard(task: Task) -> str:
    """A trusted candidate that does nothing: all it takes is the constant to deduct."""
    unused = " ".join(f"(void){name};" for name, _ in task.arguments)
    return f"{declaration(task).removesuffix(';')}\n{{\n    {unused}\n}}\n"


CUDA_TYPES = type_names("cuda")
"""What a CUDA candidate is given."""


def cuda_declaration(task: Task) -> str:
    """`extern "C" void matmul(const __nv_bfloat16 *A, ..., int M, int N, int K, cudaStream_t stream);` with headers."""
    types = {
        buffer.name: f"{'' if buffer.is_output else 'const '}{CUDA_TYPES[buffer.dtype]} *" for buffer in task.buffers
    }
    arguments = ", ".join(types.get(name, "int ") + name for name, _ in task.arguments)
    headers = ("cuda_runtime.h", "cuda_bf16.h", "cuda_fp16.h", "cuda_fp8.h", "stdint.h")
    includes = "".join(f"#include <{header}>\n" for header in headers)
    return f'{includes}extern "C" void {task.entry}({arguments}, cudaStream_t stream);\n'


def cuda_shim(task: Task) -> str:
    """What the worker calls, in C without a CUDA header: unpacks buffers and sizes, tells whether a launch failed."""
    columns = {buffer.name: (f"buffers[{i}]", "void *") for i, buffer in enumerate(task.buffers)}
    columns |= {name: (f"(int)sizes[{i}]", "int") for i, name in enumerate(task.size_names)}
    values, types = zip(*(columns[name] for name, _ in task.arguments), strict=True)
    return (
        "#include <stdint.h>\n"
        f"void {task.entry}({', '.join(types)}, void *stream);\n"
        "int cudaGetLastError(void);\n"
        "int ks_call(void *const *buffers, const int64_t *sizes, void *stream)\n"
        f"{{\n    {task.entry}({', '.join(values)}, stream);\n    return cudaGetLastError();\n}}\n"
    )


CUDA_WAIT = """\
__device__ long long now_ns()
{
    long long ns;
    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(ns));
    return ns;
}

__global__ void wait(long long ns)
{
    for (const long long start = now_ns(); now_ns() - start < ns;) {
    }
}

"""
TRITON_WAIT = """\
import triton
from triton.language.extra.cuda import globaltimer


@triton.jit
def wait(pointer, ns):
    start = globaltimer()
    now = start
    while now - start < ns:
        now = globaltimer()


"""
"""Kernels that last so many nanoseconds by the GPU's own timer."""


def cuda_standard(task: Task, *, seconds: float) -> str:
    """A trusted candidate that lasts so long by the GPU's own timer: what it takes beyond is the constant to deduct.

    An empty kernel would not do: the end of its launch on the host is waited for, that of a longer one is not.
    """
    unused = "".join(f"(void){name}; " for name, _ in task.arguments)
    return CUDA_WAIT + _cuda_definition(task, f"{unused}wait<<<1, 1, 0, stream>>>({_ns(seconds)});")


def triton_standard(task: Task, *, seconds: float) -> str:
    """The same in Triton."""
    names = ", ".join(buffer.name for buffer in task.buffers)
    launch = f"wait[(1,)]({task.buffers[0].name}, {_ns(seconds)}, num_warps=1)"
    return f"{TRITON_WAIT}def {task.entry}({names}, device):\n    {launch}\n"


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


def cuda_copy(task: Task) -> str:
    """A trusted candidate that moves as many bytes as the largest input and the largest output share."""
    source, target = (
        max((b for b in task.buffers if b.is_output == is_output), key=lambda b: len(b.shape))
        for is_output in (False, True)
    )
    count = " * ".join(f"(size_t){name}" for name in min(source.shape, target.shape, key=len))
    item = min(ITEM_BYTES[source.dtype], ITEM_BYTES[target.dtype])
    copy = f"cudaMemcpyAsync({target.name}, {source.name}, {item} * {count}, cudaMemcpyDeviceToDevice, stream);"
    return _cuda_definition(task, copy)


def _cuda_definition(task: Task, body: str) -> str:
    prototype = cuda_declaration(task).splitlines()[-1].removesuffix(";")
    return f"{prototype}\n{{\n    {body}\n}}\n"
