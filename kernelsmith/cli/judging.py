"""A harness without a run, for the commands that judge and write nothing down."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from kernelsmith.judge_client import gpu
from kernelsmith.cli import interpreter, terminal
from kernelsmith.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from kernelsmith.judge_client.harness import HarnessProcess
    from kernelsmith.core.run import Device
    from kernelsmith.core.task import Task


TASK_FILES = ("benchmark.py", "vendor.c", "vendor.cu", "task.toml")
"""A fault that begins with one of these is the task's, not the machine's."""


def ready_task(name: str, *, harness_python: str | None) -> "Task":
    """The task, once this machine is known to have the device and the interpreter it needs.

    Raises:
        TaskError: there is no such task, or its folder is malformed.
        UsageError: the device is missing, or the interpreter, or a package in it.
    """
    from kernelsmith.core.task_folder import find_task

    task = find_task(name)
    if task.device == "cuda" and (lack := gpu.missing()):
        raise UsageError(f"{task.name} needs an NVIDIA GPU: {lack}; `kernelsmith run cpu_matmul` needs none")
    if lack := interpreter.missing(harness_python, needed_by(task)):
        raise UsageError(lack)
    return task


def needed_by(task: "Task") -> tuple[str, ...]:
    """The packages that the harness imports for a task."""
    if task.device == "cpu":
        return ("numpy",)
    return ("numpy", "cupy", *(["triton"] if "triton" in task.languages else []))


@contextmanager
def opened(
    task: "Task", *, trust_candidates: bool, harness_python: str | None
) -> "Iterator[tuple[HarnessProcess, Device]]":
    """A harness that has calibrated itself for the task, its working files in a folder that goes with it."""
    from kernelsmith.judge_client.harness import HarnessProcess
    from kernelsmith.core.run import RunConfig

    calibration_s = RunConfig(task=task.name, proposer="tuner").calibration_s
    with (
        TemporaryDirectory(prefix="kernelsmith-") as folder,
        HarnessProcess(
            task,
            folder=Path(folder),
            calibration_s=calibration_s,
            trust_candidates=trust_candidates,
            python=harness_python,
            on_progress=terminal.progress,
        ) as harness,
    ):
        yield harness, open_or_explain(harness)


def open_or_explain(harness: "HarnessProcess") -> "Device":
    """Open the harness; what keeps it from opening is the machine's state, which the user can change.

    Raises:
        UsageError: a compiler, a sandbox or the calibration is missing.
    """
    try:
        return harness.open()
    except HarnessError as error:
        hint = "" if str(error).startswith(TASK_FILES) else "; `kernelsmith doctor` says what is missing"
        raise UsageError(f"{error}{hint}") from error
