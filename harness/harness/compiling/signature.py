"""Generate C, CUDA and Triton source text from a task's signature: prototypes, shims (C files through which the worker
calls a candidate), and simple trusted candidates for calibration."""

from harness.contract import ITEM_BYTES, type_names
from harness.task import Task

C_TYPES = type_names("c")
"""C type of each dtype that a C candidate can take; narrower dtypes occur in GPU tasks only."""


def declaration(task: Task) -> str:
    """Return the C prototype that a candidate's entry function must have, generated from the signature of `task`: one
    line such as `void matmul(const float *A, float *C, int M);`."""
    types = {buffer.name: f"{'' if buffer.is_output else 'const '}{C_TYPES[buffer.dtype]} *" for buffer in task.buffers}
    arguments = ", ".join(types.get(name, "int ") + name for name, _ in task.arguments)
    return f"void {task.entry}({arguments});"


def shim(task: Task) -> str:
    """Return the text of a C file that lets the worker call any C candidate of `task`, whatever its arguments: it
    defines `ks_call(buffers, sizes)`, which calls the task's entry function with the elements of the two arrays,
    pointers and integers, as arguments."""
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
    """Return the text of a C candidate for this task that does nothing. The judge times it to calibrate the dispatch
    overhead, the time per batch that no kernel can avoid."""
    unused = " ".join(f"(void){name};" for name, _ in task.arguments)
    return f"{declaration(task).removesuffix(';')}\n{{\n    {unused}\n}}\n"


CUDA_TYPES = type_names("cuda")
"""CUDA type of each dtype that a CUDA candidate can take."""


def cuda_declaration(task: Task) -> str:
    """Return the `#include` lines and the prototype that a CUDA candidate's entry function must have for this task, as
    one string. The last argument is `cudaStream_t stream`."""
    types = {
        buffer.name: f"{'' if buffer.is_output else 'const '}{CUDA_TYPES[buffer.dtype]} *" for buffer in task.buffers
    }
    arguments = ", ".join(types.get(name, "int ") + name for name, _ in task.arguments)
    headers = ("cuda_runtime.h", "cuda_bf16.h", "cuda_fp16.h", "cuda_fp8.h", "stdint.h")
    includes = "".join(f"#include <{header}>\n" for header in headers)
    return f'{includes}extern "C" void {task.entry}({arguments}, cudaStream_t stream);\n'


def cuda_shim(task: Task) -> str:
    """Return the text of a C file that lets the worker call any CUDA candidate of `task`, whatever its arguments: it
    defines `ks_call(buffers, sizes, stream)`. This function calls the task's entry function with the elements of the
    two arrays and the stream, and returns the last CUDA error code.

    The file includes no CUDA header, so that it compiles quickly.
    """
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
"""Texts of kernels that run for a given number of nanoseconds by the GPU's own timer."""


def cuda_standard(task: Task, *, seconds: float) -> str:
    """Return the text of a CUDA candidate for `task` whose only kernel waits for `seconds` by the GPU's own timer. The
    judge times it to calibrate the dispatch overhead: the measured time beyond `seconds` is overhead, which is
    subtracted from the times of candidates.

    An empty kernel would not do: the host waits for the end of its launch, but not for that of a longer kernel.
    """
    unused = "".join(f"(void){name}; " for name, _ in task.arguments)
    return CUDA_WAIT + _cuda_definition(task, f"{unused}wait<<<1, 1, 0, stream>>>({_ns(seconds)});")


def triton_standard(task: Task, *, seconds: float) -> str:
    """Return the text of a Triton candidate for `task` whose only kernel waits for `seconds` by the GPU's own timer.
    The judge times it to calibrate the dispatch overhead: the measured time beyond `seconds` is overhead, which is
    subtracted from the times of candidates."""
    names = ", ".join(buffer.name for buffer in task.buffers)
    launch = f"wait[(1,)]({task.buffers[0].name}, {_ns(seconds)}, num_warps=1)"
    return f"{TRITON_WAIT}def {task.entry}({names}, device):\n    {launch}\n"


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


def cuda_copy(task: Task) -> str:
    """Return the text of a CUDA candidate for `task` that copies data from the largest input to the largest output, as
    many bytes as fit into both. The judge runs it where a kernel is needed that surely does not cheat."""
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
