"""Remember, outside of every log, which tasks may run code on this machine and which runs were started on it. Two files
in the user's state folder hold the lists.

A log may come from anywhere. To resume a run means to execute the benchmark and the interpreter that its log names, and
to send the user's API key to the endpoint that it names. Therefore two files in the user's state folder list the tasks
that the user named and the runs that were started on this machine.
"""

import os
from pathlib import Path

from kernelsmith import paths
from kernelsmith.core.run import Run
from kernelsmith.core.snapshot import Snapshot, snapshot_of
from kernelsmith.errors import UsageError

TASKS, RUNS = "trusted-tasks", "started-runs"
"""The names of the files that list fingerprints of trusted tasks, and uuids of runs started on this machine."""


def remember_task(task: Snapshot) -> None:
    """Add a task to the user's list of tasks whose code may run on this machine; `task` is the snapshot of its files.
    Raises UsageError if the list cannot be read or written.
    """
    _remember(TASKS, task.fingerprint)


def remember_run(run: Run) -> None:
    """Add a run to the user's list of runs that were started on this machine, so that `resume` may use all settings in
    its log. Raises UsageError if the list cannot be read or written.
    """
    _remember(RUNS, run.uuid)


def knows_run(run: Run) -> bool:
    """Return whether a run was started on this machine, according to the list in the user's state folder; False if
    there is no list. Raises UsageError if the list cannot be read.
    """
    return run.uuid in _remembered(RUNS)


def require_task(task: Snapshot, *, benchmark: Path, trusted: str | None) -> None:
    """Check that a task's code may run on this machine: the task is installed, its folder was named here before, or
    `trusted` (the digest given with --trust-task, or None) is its digest, after which the task is remembered. Return
    nothing. `benchmark` is the path of the task's program, and the message asks the user to read it. Raises UsageError
    if the code may not run.
    """
    if trusted == task.digest:
        return remember_task(task)
    if task.fingerprint in _remembered(TASKS) or task.fingerprint in _installed():
        return None
    raise UsageError(
        "the task of this run is not installed, and its folder was never named on this machine, but its "
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
        raise UsageError(
            f"{path}: {error.strerror}; the file lists what may run on this machine, so make it writable"
        ) from error


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
