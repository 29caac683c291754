"""Builds GPU candidates of every language, for a judgement or ahead of it. No GPU is needed."""

from pathlib import Path

from harness.compiling import cuda, inspection, triton
from harness.compiling.build_runner import BuildContext
from harness.compiling.built import BuildFailure, Built
from harness.task import Task

TRITON = "triton"


def build(source: Path, task: Task, *, language: str, context: BuildContext) -> Built | BuildFailure:
    """Build a candidate with nvcc or with Triton. If another process builds the same candidate, wait for that build.

    Raises:
        NoTriton, NoCompiler: the machine lacks what the language needs.
        SandboxError: a guard could not be set up.
    """
    by_language = triton.build_triton if language == TRITON else cuda.build_cuda
    return by_language(source, task, context=context)


def build_ahead(source: Path, task: Task, *, language: str, context: BuildContext) -> None:
    """Build and inspect a candidate so that a later judgement finds it in the cache. A failure is not reported: the
    judgement will meet it again."""
    built = build(source, task, language=language, context=context)
    if isinstance(built, Built):
        with inspection.inspected(built, isolation=context.isolation) as facts:
            facts()
