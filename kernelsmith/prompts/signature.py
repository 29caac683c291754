"""Write the declaration of a task's entry function, the function that a kernel must define, in each language."""

from kernelsmith.core.candidate import Language
from kernelsmith.core.contract import dtypes
from kernelsmith.core.kinds import Role
from kernelsmith.core.task import Argument, Task


def signature(task: Task, language: Language) -> str:
    """Return the declaration of the task's entry function (which a kernel must define) in a language, as one line. For
    example `void softmax(const float *X, float *Y, int N);` in C.
    """
    match language:
        case Language.C:
            return f"void {task.entry}({_parameters(task, language)});"
        case Language.CUDA:
            return f'extern "C" void {task.entry}({_parameters(task, language)}, cudaStream_t stream);'
        case Language.TRITON:
            buffers = ", ".join(a.name for a in task.arguments if a.role is not Role.SIZE)
            return f"def {task.entry}({buffers}, device):"


def _parameters(task: Task, language: Language) -> str:
    return ", ".join(_parameter(argument, language) for argument in task.arguments)


def _parameter(argument: Argument, language: Language) -> str:
    if argument.role is Role.SIZE:
        return f"int {argument.name}"
    const = "const " if argument.role is Role.INPUT else ""
    return f"{const}{_type_name(argument.dtype, language)} *{argument.name}"


def _type_name(dtype: str, language: Language) -> str:
    """Return the name that an element type such as `float32` has in C or CUDA C++, for example `float`. A type that C
    lacks has its CUDA C++ name in both. Raises KeyError for an unknown type.
    """
    names = dtypes()[dtype]
    return names.c if language is Language.C and names.c else names.cuda
