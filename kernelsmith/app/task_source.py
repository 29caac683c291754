"""Find the files of a run's task, in the log or in the task's folder, and write them to the run's own folder, from
which harness and proposers read them.

During a run, harness and proposers read the task from this folder and from nowhere else.
"""

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
    """Return a text that finds the task from any working directory: its name if it ships with kernelsmith, else the
    absolute path of its folder.
    """
    shipped = task.folder.parent == paths.tasks_folder().resolve()
    return task.name if shipped else str(task.folder)


def task_on_disk(name: str) -> Task:
    """Return the task named `name` (an installed task or the path of a task folder), and remember in a file of the user
    that its code may run on this machine. Raises TaskError if there is no such task or it is malformed, and UsageError
    if a file cannot be read or the list of trusted tasks cannot be written.
    """
    task = find_task(name)
    trust.remember_task(snapshot_of(task.folder))
    return task


def changed_task(store: Store, history: History, *, trusted: str | None) -> Task:
    """Return a run's task with the files that its folder holds now, even if they differ from those in the log, and add
    them to the log `store`. `history` is the run, and `trusted` the digest of a task whose code the user trusts, or
    None. Raises TaskError if the folder does not exist or is malformed, UsageError if its code is not trusted on this
    machine, and LogError if the log cannot be written.
    """
    folder = find_task(history.run.config.task).folder
    snapshot = snapshot_of(folder)
    if trust.knows_run(history.run):
        trust.remember_task(snapshot)
    trust.require_task(snapshot, benchmark=folder / "benchmark.py", trusted=trusted)
    store.keep_snapshot(snapshot)
    return write_task(snapshot, history.run, store)


def recorded_task(store: Store, history: History, *, trusted: str | None, say: Callable[[str], None]) -> Task:
    """Return a run's task with the files that its log keeps. `history` is the run, `trusted` the digest of a task whose
    code the user trusts, or None; `say(line)` shows a line to the user if the task's folder has changed. Raises
    UsageError if the code is not trusted or an old log keeps no files, and LogError if the log's files do not have the
    stated digest.

    A log older than schema 4 keeps no files; then the folder's files are used if they are unchanged.
    """
    run, digest = history.run, history.task_digest
    on_disk = _task_or_none(run.config.task)
    snapshot = store.snapshot(digest) or _same_on_disk(run, digest, on_disk)
    _refuse_forged(snapshot, digest, run)
    task = write_task(snapshot, run, store)
    trust.require_task(snapshot, benchmark=task.folder / "benchmark.py", trusted=trusted)
    if on_disk is None or on_disk.digest != digest:
        say(_difference(run, on_disk))
    return task


def write_task(snapshot: Snapshot, run: Run, store: Store) -> Task:
    """Write a task's files from `snapshot` to the run's folder, next to the log `store`, unless they are there
    unchanged, and return the task read from there. Raises LogError if the task's name in the log is no name of a
    folder, UsageError if the files cannot be written, and TaskError if the task is malformed.
    """
    name = Path(run.config.task).name
    if name in ("", ".", ".."):
        raise LogError(f"run {run.name}: {run.config.task!r} is no task's name; the log was changed")
    folder = paths.run_folder(store.path, run.name) / "task" / snapshot.digest[:16] / name
    if not folder.is_dir() or snapshot_of(folder).digest != snapshot.digest:
        shutil.rmtree(folder, ignore_errors=True)
        _write(snapshot, folder)
    return load_task(folder)


def _write(snapshot: Snapshot, folder: Path) -> None:
    try:
        snapshot.write(folder)
    except (OSError, ValueError) as error:  # ValueError: the log holds a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{folder}: {reason}; a run needs its task's files in this folder") from error


def _refuse_forged(snapshot: Snapshot, digest: str, run: Run) -> None:
    """Check that `snapshot`, the files of a task in the log, has the digest that the log states, and holds no path
    outside of its folder; return nothing. The check is needed because users trust a task by its digest, and a log from
    another machine may hold other files under it. Raises LogError if it fails.
    """
    leads_out = any(Path(path).is_absolute() or ".." in Path(path).parts for path in snapshot.files)
    if snapshot.digest != digest or leads_out:
        raise LogError(f"the log's copy of the task of {run.name} is not the task with the digest {digest[:12]}")


def _difference(run: Run, on_disk: Task | None) -> str:
    """Return one line for the user, which says that the log's copy of a run's task is used because the task's folder is
    gone (`on_disk` is None) or has changed. `on_disk` is the task as its folder holds it now.
    """
    state = "is gone" if on_disk is None else "has changed"
    remedy = "" if on_disk is None else "; --task-from-disk goes on with the folder"
    return f"{run.config.task}: the task {state} since {run.name} was started; the log's own copy is used{remedy}"


def _task_or_none(name: str) -> Task | None:
    try:
        return find_task(name)
    except TaskError:
        return None


def _same_on_disk(run: Run, digest: str, on_disk: Task | None) -> Snapshot:
    """Return the files of a run's task folder as a snapshot, for a log older than schema 4, which keeps no task files.
    `on_disk` is the task in that folder, or None if it is missing, and `digest` the digest that the log states. Raises
    UsageError if the folder is missing or has another digest.
    """
    if on_disk is None or on_disk.digest != digest:
        raise UsageError(
            f"{run.config.task}: the task has changed since {run.name} was started, and the log, which an older "
            "kernelsmith wrote, keeps no copy of it; restore the folder, or go on with it as it is by --task-from-disk"
        )
    return snapshot_of(on_disk.folder)
