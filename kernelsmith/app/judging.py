"""Start a harness without a run, for commands that judge a candidate and record nothing."""

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
    """Settings of a judge: its interpreter, its device and its sandbox."""

    harness_python: str | None = None
    """Path of the interpreter that runs the harness; None means the agent's own."""
    trust_candidates: bool = False
    """Whether candidates run without a sandbox on a machine that offers none; if False, judging is refused there."""
    calibration_s: float = CALIBRATION_S
    """Seconds over which the peak of a CPU is measured."""
    device: str | None = None
    """`scripted:FILE` for a device whose times come from a file; None means the device of the task's kind."""
    isolation_at_most: int | None = None
    """Highest sandbox level to use, 0 to 3; None means the highest that the machine offers."""


def ready_task(name: str, machine: JudgeSettings) -> Task:
    """Return the task of this name or path, after a check that this machine has the device and the interpreter for it.

    Raises:
        TaskError: if there is no such task, or if its folder is malformed.
        UsageError: if the device, the interpreter, or a package of the interpreter is missing.
    """
    task = find_task(name)
    require_machine(task, harness_python=machine.harness_python, device=machine.device)
    return task


@contextmanager
def harness_for(
    task: Task, machine: JudgeSettings, *, on_progress: OnProgress = lambda stage, step: None
) -> Iterator[HarnessProcess]:
    """Return a context manager that yields a harness, whose judge is not started yet, and ends it afterwards.

    The harness keeps its files in a temporary folder, which is deleted at the end. `on_progress` receives stages and
    steps of the judge's work.
    """
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
    """Return a context manager that yields a calibrated harness and its device, and ends the harness afterwards.

    Raises the exceptions of `open_harness`.
    """
    with harness_for(task, machine, on_progress=on_progress) as harness:
        yield harness, open_harness(harness)


def candidate_of(name: str, task: Task, *, db: str | Path) -> Candidate:
    """Return the candidate in a file, or that of a recorded attempt if `name` is RUN:N and no such file exists.

    `db` is the path of the attempt log.

    Raises:
        UsageError: if there is neither a file nor an attempt, or if the attempt has no candidate.
    """
    if ":" not in name or Path(name).exists():
        return read_candidate(Path(name), task.languages)
    reference = parse(name)
    with open_reader(db) as log:
        attempt = attempt_of(history_of(log, reference.run), reference.number or 0)
    if attempt.candidate is None:
        raise UsageError(f"{name}: this attempt has no candidate: {attempt.verdict.detail}")
    return attempt.candidate
