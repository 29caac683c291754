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
    """The settings of a judge (the process that judges candidates) that belongs to no run: interpreter, sandbox,
    calibration time and device. Commands such as `judge` and `duel` make it from their options.
    """

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
    """Return the task with the name or path `name`, after a check that this machine has the device and the interpreter
    for it. `machine` holds the judge's settings, such as interpreter and device. Raises TaskError if there is no such
    task or its folder is malformed, and UsageError if device, interpreter or a Python package is missing.
    """
    task = find_task(name)
    require_machine(task, harness_python=machine.harness_python, device=machine.device)
    return task


@contextmanager
def harness_for(
    task: Task, machine: JudgeSettings, *, on_progress: OnProgress = lambda stage, step: None
) -> Iterator[HarnessProcess]:
    """Return a context manager whose block receives a HarnessProcess for `task`; its judge (the process that judges
    candidates) is not started yet. The end of the block ends the judge and deletes the harness's temporary folder.
    `machine` holds the judge's settings; `on_progress(stage, step)` is called with the names of the judge's present
    stage and step.
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
    """Return a context manager that starts a judge for `task`, gives its block a pair (HarnessProcess, Device with
    measured constants), and ends the judge at the end of the block. `machine` holds the judge's settings;
    `on_progress(stage, step)` receives the names of its present stage and step. Raises MachineRefusal if this machine
    cannot judge now, TaskError if the task is wrong, HarnessError if the judge fails.
    """
    with harness_for(task, machine, on_progress=on_progress) as harness:
        yield harness, open_harness(harness)


def candidate_of(name: str, task: Task, *, db: str | Path) -> Candidate:
    """Return the candidate in the file `name`; or, if `name` has the form RUN:N and no such file exists, the candidate
    of attempt N of that run in the log `db` (path or URL). `task` says which languages a file may have. Raises
    UsageError if there is neither or the attempt has no candidate, and LogError if the log cannot be read.
    """
    if ":" not in name or Path(name).exists():
        return read_candidate(Path(name), task.languages)
    reference = parse(name)
    with open_reader(db) as log:
        attempt = attempt_of(history_of(log, reference.run), reference.number or 0)
    if attempt.candidate is None:
        raise UsageError(f"{name}: this attempt has no candidate: {attempt.verdict.detail}")
    return attempt.candidate
