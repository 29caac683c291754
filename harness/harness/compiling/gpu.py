"""Builds of GPU candidates, by language: for the judge, and ahead of it. No GPU is needed."""

from pathlib import Path

from harness.compiling import cuda, inspection, triton
from harness.compiling.build_runner import BuildContext
from harness.compiling.built import BuildFailure, Built
from harness.task import Task

TRITON = "triton"


def build(source: Path, task: Task, *, language: str, workshop: BuildContext) -> Built | BuildFailure:
    """Build by nvcc, or by Triton ahead of time; what another process builds at the moment is waited for.

    Raises:
        NoTriton, NoCompiler: the machine lacks what the language needs.
        SandboxError: a guard could not be put up.
    """
    by_language = triton.build_triton if language == TRITON else cuda.build_cuda
    return by_language(source, task, workshop=workshop)


def build_ahead(source: Path, task: Task, *, language: str, workshop: BuildContext) -> None:
    """Build and inspect, for a judge that will find it in the cache; what fails will fail again when it is judged."""
    built = build(source, task, language=language, workshop=workshop)
    if isinstance(built, Built):
        with inspection.inspected(built, isolation=workshop.isolation) as facts:
            facts()
