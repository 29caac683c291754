"""The candidate ABI in C, from a task's signature: the declaration, and the shim through which the worker calls it."""

from task import ITEM_BYTES, Task

C_TYPES = {"float32": "float", "float64": "double", "int32": "int"}
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


def no_op(task: Task) -> str:
    """A trusted candidate that does nothing: what it takes is the constant to deduct."""
    unused = " ".join(f"(void){name};" for name, _ in task.arguments)
    return f"{declaration(task).removesuffix(';')}\n{{\n    {unused}\n}}\n"


CUDA_TYPES = {
    "float64": "double", "float32": "float", "int32": "int",
    "float16": "__half", "bfloat16": "__nv_bfloat16", "float8_e4m3fn": "__nv_fp8_e4m3",
}  # fmt: skip
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
        "int cudaPeekAtLastError(void);\n"
        "int ks_call(void *const *buffers, const int64_t *sizes, void *stream)\n"
        f"{{\n    {task.entry}({', '.join(values)}, stream);\n    return cudaPeekAtLastError();\n}}\n"
    )


def cuda_no_op(task: Task) -> str:
    """A trusted candidate that launches an empty kernel: what it takes is the constant to deduct."""
    unused = "".join(f"(void){name}; " for name, _ in task.arguments)
    return "__global__ void nothing() {}\n" + _cuda_definition(task, f"{unused}nothing<<<1, 1, 0, stream>>>();")


def triton_no_op(task: Task) -> str:
    """The same in Triton."""
    names = ", ".join(buffer.name for buffer in task.buffers)
    return (
        "import triton\n\n\n@triton.jit\ndef nothing(pointer):\n    pass\n\n\n"
        f"def {task.entry}({names}, device):\n    nothing[(1,)]({task.buffers[0].name}, num_warps=1)\n"
    )


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
