"""A harness without a run, for the commands that judge and write nothing down."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from kernelsmith.cli import gpu, terminal
from kernelsmith.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from kernelsmith.bench.harness import HarnessProcess
    from kernelsmith.core.run import Device
    from kernelsmith.core.task import Task


TASK_FILES = ("benchmark.py", "vendor.c", "task.toml")
"""A fault that begins with one of these is the task's, not the machine's."""


def ready_task(name: str) -> "Task":
    """The task, once this machine is known to have the device it needs.

    Raises:
        TaskError: there is no such task, or its folder is malformed.
        UsageError: the device is missing.
    """
    from kernelsmith.core.task_folder import find_task

    task = find_task(name)
    if task.device == "cuda" and (lack := gpu.missing()):
        raise UsageError(f"{task.name} needs an NVIDIA GPU: {lack}; `kernelsmith run cpu_matmul` needs none")
    return task


@contextmanager
def opened(task: "Task", *, trust_candidates: bool) -> "Iterator[tuple[HarnessProcess, Device]]":
    """A harness that has calibrated itself for the task, its working files in a folder that goes with it."""
    from kernelsmith.bench.harness import HarnessProcess
    from kernelsmith.core.run import RunConfig

    calibration_s = RunConfig(task=task.name, proposer="tuner").calibration_s
    with (
        TemporaryDirectory(prefix="kernelsmith-") as folder,
        HarnessProcess(
            task,
            folder=Path(folder),
            calibration_s=calibration_s,
            trust_candidates=trust_candidates,
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
