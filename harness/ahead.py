"""GPU candidates built into the cache before they are judged; several of these programs side by side use all cores.

It knows no device: a candidate that fails to build is built again, and told of, when it is judged.
"""

from collections.abc import Sequence
from pathlib import Path

import sandbox
from build import cuda, triton
from task import Task

BUILDERS = {".cu": cuda.build_cuda, ".py": triton.build_triton}


def build(task: Task, sources: Sequence[Path], *, cache: Path, isolation: sandbox.Isolation) -> None:
    """One after the other.

    Raises:
        NoCompiler, MachineError, SandboxError: as the judge will say again.
    """
    for source in sources:
        BUILDERS[source.suffix](
            source, task=task, cache=cache / "candidates", isolation=isolation, deadline_s=task.limits.build_s
        )
