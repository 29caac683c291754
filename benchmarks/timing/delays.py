"""Makes kernels that are slower by a known time: an honest kernel, and then a wait by the device's own timer."""

from harness.compiling import signature
from harness.task import Task

_C = """\
#define {entry} of_kernel
{text}
#undef {entry}
#include <time.h>

{prototype}
{{
    struct timespec begin, now;
    of_kernel({names});
    clock_gettime(CLOCK_MONOTONIC_RAW, &begin);
    do
        clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    while ((now.tv_sec - begin.tv_sec) * 1000000000L + now.tv_nsec - begin.tv_nsec < {ns}L);
}}
"""
_CUDA = """\
#define {entry} of_kernel
{text}
#undef {entry}
{wait}
{prototype}
{{
    of_kernel({names}, stream);
    wait<<<1, 1, 0, stream>>>({ns}LL);
}}
"""
_TRITON = """\
{text}

{wait}
of_kernel = {entry}


def {entry}({buffers}, device):
    of_kernel({buffers}, device)
    wait[(1,)]({first}, {ns}, num_warps=1)
"""


def delayed(task: Task, text: str, *, language: str, seconds: float) -> str:
    """Return the source of a candidate that calls the candidate `text` and then waits for `seconds` in every call.

    A wait of 0 s has the same fixed cost as any other, so that a delayed kernel must be compared with one of 0 s.
    """
    names, buffers = (name for name, _ in task.arguments), [buffer.name for buffer in task.buffers]
    values = {"entry": task.entry, "text": text, "names": ", ".join(names), "ns": round(seconds * 1e9)}
    if language == "c":
        return _C.format(**values, prototype=signature.declaration(task).removesuffix(";"))
    if language == "cuda":
        prototype = signature.cuda_declaration(task).splitlines()[-1].removesuffix(";")
        return _CUDA.format(**values, prototype=prototype, wait=signature.CUDA_WAIT)
    return _TRITON.format(**values, buffers=", ".join(buffers), first=buffers[0], wait=signature.TRITON_WAIT)
