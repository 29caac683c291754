"""Whose task code may run here: that of installed tasks, and of folders that the user has named on this machine.

A log may come from anywhere, and resuming a run executes the benchmark that it keeps. So the digests of the folders
that the user named are remembered outside of every log.
"""

import os
from pathlib import Path

from kernelsmith import paths
from kernelsmith.core.snapshot import snapshot_of
from kernelsmith.errors import UsageError


def remember(digest: str) -> None:
    """Remember that the user named a task folder with this digest.

    Raises:
        UsageError: the file that holds the digests cannot be written.
    """
    path = _file()
    if digest in _remembered():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="ascii") as file:
            file.write(f"{digest}\n")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}: the tasks that may run here are listed in it") from error


def require(digest: str, *, benchmark: Path, given: str | None) -> None:
    """Make sure that the code of a task may run here; a digest that the user gave now is remembered.

    `benchmark` is the program that would run, for the user to read.

    Raises:
        UsageError: the task is not installed, and the user has named neither its folder nor its digest.
    """
    if given == digest:
        return remember(digest)
    if digest in _remembered() or digest in _installed():
        return None
    raise UsageError(
        "the task of this run is neither installed nor from a folder that was named on this machine, and its "
        f"benchmark.py would run here; read {benchmark}, then give --trust-task {digest}"
    )


def _installed() -> set[str]:
    return {snapshot_of(path.parent).digest for path in paths.tasks_folder().glob("*/task.toml")}


def _remembered() -> set[str]:
    try:
        return set(_file().read_text(encoding="ascii").split())
    except FileNotFoundError:
        return set()
    except (OSError, ValueError) as error:
        raise UsageError(f"{_file()}: cannot be read: {error}; remove it to start with an empty list") from error


def _file() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "kernelsmith" / "trusted-tasks"
