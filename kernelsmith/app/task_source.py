"""The task of a run as its log keeps it: written to the run's folder, where harness and proposers read it."""

import shutil
from collections.abc import Callable
from pathlib import Path

from kernelsmith import paths
from kernelsmith.app import trust
from kernelsmith.core.history import History
from kernelsmith.core.run import Run
from kernelsmith.core.snapshot import Snapshot, snapshot_of
from kernelsmith.core.task import Task
from kernelsmith.core.task_folder import find_task, load_task
from kernelsmith.errors import LogError, TaskError, UsageError
from kernelsmith.log.store import Store


def lasting_name(task: Task) -> str:
    """Return what finds the task again from another working directory."""
    shipped = task.folder.parent == paths.tasks_folder().resolve()
    return task.name if shipped else str(task.folder)


def task_on_disk(name: str) -> Task:
    """Return the task that the user names, whose code may run here from now on. Raises TaskError, UsageError."""
    task = find_task(name)
    trust.remember_task(snapshot_of(task.folder))
    return task


def changed_task(store: Store, history: History, *, given: str | None) -> Task:
    """Return the task of a run as its folder is now, and keep its files in the log.

    Raises:
        TaskError: the folder is gone or malformed.
        UsageError: the run was started elsewhere, and the folder's code may not run here.
    """
    folder = find_task(history.run.config.task).folder
    snapshot = snapshot_of(folder)
    if trust.knows_run(history.run):
        trust.remember_task(snapshot)
    trust.require_task(snapshot, benchmark=folder / "benchmark.py", given=given)
    store.keep_snapshot(snapshot)
    return written(snapshot, history.run, store)


def recorded_task(store: Store, history: History, *, given: str | None, say: Callable[[str], None]) -> Task:
    """Return the task of a run as its log keeps it; `given` is the digest that the user trusts now.

    Raises:
        UsageError: its code may not run here, or the log is from before schema 4 and the folder has changed.
        LogError: the files in the log are not those that the digest belongs to.
    """
    run, digest = history.run, history.task_digest
    on_disk = _found(run.config.task)
    snapshot = store.snapshot(digest) or _same_on_disk(run, digest, on_disk)
    _refuse_forged(snapshot, digest, run)
    task = written(snapshot, run, store)
    trust.require_task(snapshot, benchmark=task.folder / "benchmark.py", given=given)
    if on_disk is None or on_disk.digest != digest:
        say(_difference(run, on_disk))
    return task


def written(snapshot: Snapshot, run: Run, store: Store) -> Task:
    """Return the task of a snapshot, from a copy in the run's folder that is made anew where it was changed."""
    name = Path(run.config.task).name
    if name in ("", ".", ".."):
        raise LogError(f"run {run.name}: {run.config.task!r} is no task's name")
    folder = paths.run_folder(store.path, run.name) / "task" / snapshot.digest[:16] / name
    if not folder.is_dir() or snapshot_of(folder).digest != snapshot.digest:
        shutil.rmtree(folder, ignore_errors=True)
        _write(snapshot, folder)
    return load_task(folder)


def _write(snapshot: Snapshot, folder: Path) -> None:
    try:
        snapshot.write(folder)
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{folder}: {reason}: a run needs its task's files there") from error


def _refuse_forged(snapshot: Snapshot, digest: str, run: Run) -> None:
    """Make sure that trust in a digest is trust in these files, and that they lie in one folder.

    A log from elsewhere may hold other files under the digest, or files whose names lead out of the folder.
    """
    leads_out = any(Path(path).is_absolute() or ".." in Path(path).parts for path in snapshot.files)
    if snapshot.digest != digest or leads_out:
        raise LogError(f"the log's copy of the task of {run.name} is not the task with the digest {digest[:12]}")


def _difference(run: Run, on_disk: Task | None) -> str:
    """Return the line for a task folder that is gone or differs from the log's copy."""
    state = "is gone" if on_disk is None else "has changed"
    remedy = "" if on_disk is None else "; --task-from-disk goes on with the folder"
    return f"{run.config.task}: the task {state} since {run.name} was started; the log's own copy is used{remedy}"


def _found(name: str) -> Task | None:
    try:
        return find_task(name)
    except TaskError:
        return None


def _same_on_disk(run: Run, digest: str, on_disk: Task | None) -> Snapshot:
    """Return the folder's files in place of those that a log from before schema 4 does not keep."""
    if on_disk is None or on_disk.digest != digest:
        raise UsageError(
            f"{run.config.task}: the task has changed since {run.name} was started, and the log, which an older "
            "kernelsmith wrote, keeps no copy of it; restore the folder, or go on with it as it is by --task-from-disk"
        )
    return snapshot_of(on_disk.folder)
