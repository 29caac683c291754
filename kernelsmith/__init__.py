"""kernelsmith: an agent that optimizes kernels by iterative search, judged where it cannot reach the clock.

    with kernelsmith.start("cpu_matmul", attempts=20) as session:
        history = session.run()
    with kernelsmith.resume("cpu_matmul-1", attempts=10) as session:
        history = session.run()
    for attempt in kernelsmith.history("cpu_matmul-1").attempts:
        print(attempt.number, attempt.verdict.status, attempt.verdict.utilization)

Names are imported when they are first used: importing the package loads nothing else.
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
"""Public name -> module, and the name there."""

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
    """Import a public name."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
