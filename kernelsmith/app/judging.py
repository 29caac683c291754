"""A harness without a run, for what judges and writes nothing down: one verdict, one duel, one batch again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kernelsmith.app.preflight import open_harness, require_machine
from kernelsmith.app.references import attempt_of, history_of, parse
from kernelsmith.core.candidate import Candidate
from kernelsmith.core.candidate_file import read_candidate
from kernelsmith.core.run import CALIBRATION_S, Device
from kernelsmith.core.seams import OnProgress
from kernelsmith.core.task import Task
from kernelsmith.core.task_folder import find_task
from kernelsmith.core.temporary import temporary_folder
from kernelsmith.errors import UsageError
from kernelsmith.judge_client.harness import HarnessProcess
from kernelsmith.log.reader import open_reader


class JudgeSettings(NamedTuple):
    """Settings of the judge on this machine."""

    harness_python: str | None = None
    """The interpreter that runs the harness; None = our own."""
    trust_candidates: bool = False
    """Run candidates without a sandbox where the machine offers none."""
    calibration_s: float = CALIBRATION_S
    """Seconds over which the peak is probed."""
    device: str | None = None
    """`scripted:FILE`, or None for the device of the task's kind."""
    isolation_at_most: int | None = None
    """Lower the sandbox to this level; None = the best that the machine offers."""


def ready_task(name: str, machine: JudgeSettings) -> Task:
    """Return the task, once this machine is known to have the device and the interpreter that it needs.

    Raises:
        TaskError: there is no such task, or its folder is malformed.
        UsageError: the device is missing, or the interpreter, or a package in it.
    """
    task = find_task(name)
    require_machine(task, harness_python=machine.harness_python, device=machine.device)
    return task


@contextmanager
def harness_for(
    task: Task, machine: JudgeSettings, *, on_progress: OnProgress = lambda stage, step: None
) -> Iterator[HarnessProcess]:
    """Hold a harness that is not open yet; its working files are in a folder that goes with it."""
    with (
        temporary_folder() as folder,
        HarnessProcess(
            task,
            folder=folder,
            calibration_s=machine.calibration_s,
            trust_candidates=machine.trust_candidates,
            isolation_at_most=machine.isolation_at_most,
            python=machine.harness_python,
            device=machine.device,
            on_progress=on_progress,
        ) as harness,
    ):
        yield harness


@contextmanager
def opened(
    task: Task, machine: JudgeSettings, *, on_progress: OnProgress = lambda stage, step: None
) -> Iterator[tuple[HarnessProcess, Device]]:
    """Hold a harness that has calibrated itself for the task. Raises what `open_harness` raises."""
    with harness_for(task, machine, on_progress=on_progress) as harness:
        yield harness, open_harness(harness)


def candidate_of(name: str, task: Task, *, db: str | Path) -> Candidate:
    """Return the candidate in the file of this name; where there is none, the recorded attempt RUN:N.

    Raises:
        UsageError: there is neither, or the attempt has no candidate.
    """
    if ":" not in name or Path(name).exists():
        return read_candidate(Path(name), task.languages)
    reference = parse(name)
    with open_reader(db) as log:
        attempt = attempt_of(history_of(log, reference.run), reference.number or 0)
    if attempt.candidate is None:
        raise UsageError(f"{name}: this attempt has no candidate: {attempt.verdict.detail}")
    return attempt.candidate
