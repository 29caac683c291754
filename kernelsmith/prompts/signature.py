"""How a task's entry function is declared in each language: the candidate ABI, as a model reads it."""

from kernelsmith.core.candidate import Language
from kernelsmith.core.task import Argument, Task

_C_TYPES = {
    "float32": "float",
    "float64": "double",
    "int32": "int",
    "float16": "__half",
    "bfloat16": "__nv_bfloat16",
    "float8_e4m3fn": "__nv_fp8_e4m3",
}


def signature(task: Task, language: Language) -> str:
    """The declaration, one line."""
    match language:
        case Language.C:
            return f"void {task.entry}({_parameters(task)});"
        case Language.CUDA:
            return f'extern "C" void {task.entry}({_parameters(task)}, cudaStream_t stream);'
        case Language.TRITON:
            buffers = ", ".join(a.name for a in task.arguments if a.role != "size")
            return f"def {task.entry}({buffers}, device):"


def _parameters(task: Task) -> str:
    return ", ".join(_parameter(argument) for argument in task.arguments)


def _parameter(argument: Argument) -> str:
    if argument.role == "size":
        return f"int {argument.name}"
    const = "const " if argument.role == "input" else ""
    return f"{const}{_C_TYPES[argument.dtype]} *{argument.name}"
