"""kernelsmith: an agent that optimizes compute kernels by iterative search.

A separate program judges every kernel: it checks the outputs and measures the time where the kernel cannot reach them.

    with kernelsmith.start("cpu_matmul", attempts=20) as session:
        history = session.run()
    with kernelsmith.resume("cpu_matmul-1", attempts=10) as session:
        history = session.run()
    for attempt in kernelsmith.history("cpu_matmul-1").attempts:
        print(attempt.number, attempt.verdict.status, attempt.verdict.utilization)

Public names are imported on first use, so that `import kernelsmith` is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernelsmith.app.reading import read_history as history
    from kernelsmith.app.replay import judge_again
    from kernelsmith.app.resume import resume
    from kernelsmith.app.session import Session
    from kernelsmith.app.start import start
    from kernelsmith.core.history import History
    from kernelsmith.core.run import Budget, RunConfig
    from kernelsmith.core.task_folder import find_task
    from kernelsmith.core.verdict import Status, Verdict
    from kernelsmith.errors import KernelsmithError

__version__ = "0.2.0"

_HOMES = {
    "start": ("kernelsmith.app.start", "start"),
    "resume": ("kernelsmith.app.resume", "resume"),
    "judge_again": ("kernelsmith.app.replay", "judge_again"),
    "history": ("kernelsmith.app.reading", "read_history"),
    "Session": ("kernelsmith.app.session", "Session"),
    "History": ("kernelsmith.core.history", "History"),
    "Budget": ("kernelsmith.core.run", "Budget"),
    "RunConfig": ("kernelsmith.core.run", "RunConfig"),
    "find_task": ("kernelsmith.core.task_folder", "find_task"),
    "Status": ("kernelsmith.core.verdict", "Status"),
    "Verdict": ("kernelsmith.core.verdict", "Verdict"),
    "KernelsmithError": ("kernelsmith.errors", "KernelsmithError"),
}
"""Public name -> (module, name of the object in that module)."""

__all__ = [
    "Budget",
    "History",
    "KernelsmithError",
    "RunConfig",
    "Session",
    "Status",
    "Verdict",
    "__version__",
    "find_task",
    "history",
    "judge_again",
    "resume",
    "start",
]


def __getattr__(name: str) -> Any:
    """Import the public name `name` of the package on its first use, and return the object. Raises AttributeError if
    there is no such name.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
