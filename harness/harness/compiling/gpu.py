"""Builds of GPU candidates, by language: for the judge, and ahead of it. No GPU is needed."""

from pathlib import Path

from harness.compiling import cuda, inspection, triton
from harness.compiling.built import BuildFailure, Built
from harness.sandbox import launcher as sandbox
from harness.task import Task

TRITON = "triton"
CANDIDATES = "candidates"
"""The folder of the cache that holds what was built."""


def build(
    source: Path, task: Task, *, language: str, cache: Path, isolation: sandbox.Isolation
) -> Built | BuildFailure:
    """By nvcc, or by Triton ahead of time; what somebody else builds at the moment is waited for.

    Raises:
        NoTriton, NoCompiler: the machine lacks what the language needs.
        SandboxError: a guard could not be put up.
    """
    by_language = triton.build_triton if language == TRITON else cuda.build_cuda
    deadline_s = task.limits.build_s
    return by_language(source, task=task, cache=cache / CANDIDATES, isolation=isolation, deadline_s=deadline_s)


def build_ahead(source: Path, task: Task, *, language: str, cache: Path, isolation: sandbox.Isolation) -> None:
    """Build and inspect, for a judge that will find it in the cache; what fails will fail again when it is judged."""
    built = build(source, task, language=language, cache=cache, isolation=isolation)
    if isinstance(built, Built):
        with inspection.inspected(built, isolation=isolation) as facts:
            facts()
