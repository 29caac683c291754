"""Whose task code may run here, and whose settings are followed: what the user has named on this machine.

A log may come from anywhere. Resuming a run executes the benchmark that it keeps and the interpreter that it names, and
sends the user's key to its endpoint. So the tasks that the user named and the runs that were started here are
remembered outside of every log.
"""

import os
from pathlib import Path

from kernelsmith import paths
from kernelsmith.core.run import Run
from kernelsmith.core.snapshot import Snapshot, snapshot_of
from kernelsmith.errors import UsageError

TASKS, RUNS = "trusted-tasks", "started-runs"
"""The files of fingerprints of tasks, and of uuids of runs."""


def remember_task(task: Snapshot) -> None:
    """Remember that the code of a task may run here. Raises UsageError: the list cannot be written."""
    _remember(TASKS, task.fingerprint)


def remember_run(run: Run) -> None:
    """Remember that a run was started here. Raises UsageError: the list cannot be written."""
    _remember(RUNS, run.uuid)


def knows_run(run: Run) -> bool:
    """Return whether a run was started on this machine."""
    return run.uuid in _remembered(RUNS)


def require_task(task: Snapshot, *, benchmark: Path, given: str | None) -> None:
    """Make sure that the code of a task may run here; a task whose digest the user gave now is remembered.

    `benchmark` is the program that would run, for the user to read.

    Raises:
        UsageError: the task is not installed, and the user has named neither its folder nor its digest.
    """
    if given == task.digest:
        return remember_task(task)
    if task.fingerprint in _remembered(TASKS) or task.fingerprint in _installed():
        return None
    raise UsageError(
        "the task of this run is neither installed nor from a folder that was named on this machine, and its "
        f"benchmark.py would run here; read {benchmark}, then give --trust-task {task.digest}"
    )


def _installed() -> set[str]:
    return {snapshot_of(path.parent).fingerprint for path in paths.tasks_folder().glob("*/task.toml")}


def _remember(name: str, entry: str) -> None:
    path = _file(name)
    if entry in _remembered(name):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="ascii") as file:
            file.write(f"{entry}\n")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}: what may run on this machine is listed in it") from error


def _remembered(name: str) -> set[str]:
    try:
        return set(_file(name).read_text(encoding="ascii").split())
    except FileNotFoundError:
        return set()
    except (OSError, ValueError) as error:
        raise UsageError(f"{_file(name)}: cannot be read: {error}; remove it to start with an empty list") from error


def _file(name: str) -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "kernelsmith" / name
