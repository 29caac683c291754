"""The candidate ABI in C, from a task's signature: the declaration, and the shim through which the worker calls it."""

from task import Task

C_TYPES = {"float32": "float", "float64": "double", "int32": "int"}
"""What a C candidate may be given; narrower types are the GPU tasks'."""


def declaration(task: Task) -> str:
    """`void matmul(const float *A, const float *B, float *C, int M, int N, int K);`"""
    types = {
        buffer.name: f"{'' if buffer.is_output else 'const '}{C_TYPES[buffer.dtype.name]} *" for buffer in task.buffers
    }
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
