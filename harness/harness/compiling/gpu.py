"""Build GPU candidates of every language, for a judgement or ahead of it. No GPU is needed."""

from pathlib import Path

from harness.compiling import cuda, inspection, triton
from harness.compiling.build_runner import BuildContext
from harness.compiling.built import BuildFailure, Built
from harness.task import Task

TRITON = "triton"


def build(source: Path, task: Task, *, language: str, context: BuildContext) -> Built | BuildFailure:
    """Build the GPU candidate in the file `source` for `task`, or take the build from the cache that `context` names;
    return Built with the artifact and its facts, or BuildFailure if the candidate does not build. `language` selects
    the compiler: Triton for `triton`, nvcc for any other value. Raises NoTriton or NoCompiler if the machine lacks that
    compiler, and SandboxError if the sandbox fails.

    If another process builds the same candidate, wait for that build.
    """
    by_language = triton.build_triton if language == TRITON else cuda.build_cuda
    return by_language(source, task, context=context)


def build_ahead(source: Path, task: Task, *, language: str, context: BuildContext) -> None:
    """Build and disassemble the GPU candidate in the file `source`, which solves `task`, so that a later judgement
    finds it in the cache folder that `context` names; return nothing. A candidate that does not compile is no error
    here, because its judgement will report it. Raises NoTriton, NoCompiler or SandboxError if the machine cannot build
    it."""
    built = build(source, task, language=language, context=context)
    if isinstance(built, Built):
        with inspection.inspected(built, isolation=context.isolation) as facts:
            facts()
