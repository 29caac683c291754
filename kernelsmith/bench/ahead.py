"""GPU candidates built before they are judged, as many at a time as there are cores for: the harness's cache is filled.

The judge builds one candidate after the other; of a whole zoo that would be half of the time.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from kernelsmith import paths
from kernelsmith.bench.process import SINGLE_THREADED, known_environment
from kernelsmith.core.candidate import Candidate
from kernelsmith.core.task import Task

CORES_OF_A_BUILD = 2
MOST_AT_A_TIME = 8


def build_ahead(
    task: Task, candidates: Sequence[Candidate], *, folder: Path, python: str, trust_candidates: bool = False
) -> None:
    """Returns when all are built; what does not build is the judge's to tell."""
    sources = [_written(candidate, folder / "ahead") for candidate in candidates]
    width = min(MOST_AT_A_TIME, max(1, len(os.sched_getaffinity(0)) // CORES_OF_A_BUILD))
    options = [f"--task={task.folder}", f"--cache={paths.cache_folder()}", f"--parent={os.getpid()}"]
    options += ["--trust-candidates"] if trust_candidates else []
    command = [python, "-I", str(paths.harness_folder()), "build"]
    environment = known_environment() | SINGLE_THREADED
    running = [
        subprocess.Popen([*command, *sources[first::width], *options], env=environment, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
        for first in range(min(width, len(sources)))
    ]  # fmt: skip
    for process in running:
        process.wait()


def _written(candidate: Candidate, folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{candidate.digest[:16]}{candidate.language.suffix}"
    path.write_bytes(candidate.source.encode())
    return str(path)
