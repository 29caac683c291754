"""Locates the folders of tasks, templates, harness and runs, both in a source checkout and in an installed wheel.

No other module knows this layout.
"""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_SHIPPED = _PACKAGE / "_data"


def _find(name: str, *, below: str = "") -> Path:
    """Return the absolute path of the folder named `name` that ships with kernelsmith. In an installed wheel it lies
    inside the package. In a checkout it lies next to pyproject.toml, or in the subfolder `below` there; a missing
    folder raises no error here.
    """
    shipped = _SHIPPED / name
    return shipped if shipped.is_dir() else _PACKAGE.parent / below / name


def package_folder() -> Path:
    """Return the absolute path of the package `kernelsmith`, which holds the agent's own source."""
    return _PACKAGE


def harness_folder() -> Path:
    """Return the absolute path of the harness, the separate program that judges candidates. It is started as `python -I
    FOLDER`.
    """
    return _find("harness")


def tasks_folder() -> Path:
    """Return the absolute path of the folder of the tasks that ship with kernelsmith; it has one subfolder per task."""
    return _find("tasks")


def templates_folder() -> Path:
    """Return the absolute path of the folder of Jinja2 templates from which prompts are made."""
    return _find("templates")


def exploits_folder() -> Path:
    """Return the absolute path of the zoo: a folder of cheating and honest candidates that `kernelsmith selftest`
    judges.
    """
    return _find("exploits", below="tests")


def selftest_task_folder(device: str) -> Path:
    """Return the absolute path of the small task that the self-test's candidates are written for. `device` is `cpu` or
    `cuda`; any other text raises KeyError.
    """
    return _find({"cpu": "small_matmul", "cuda": "small_gpu_matmul"}[device], below="tests/tasks")


def default_database() -> Path:
    """Return `runs/attempts.db`, a path relative to the working directory: the SQLite file that holds all runs unless
    the user names another.
    """
    return Path("runs") / "attempts.db"


def cache_folder() -> Path:
    """Return the folder that caches built candidates and kernelsmith's own built programs, by their content. It is
    `kernelsmith` in $XDG_CACHE_HOME, or else in ~/.cache, and is safe to delete.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kernelsmith"


def run_folder(database: Path, run_name: str) -> Path:
    """Return the folder named `run_name` next to the file `database`. It holds the run's task files, its candidates'
    sources and the harness's log file. The folder is not created here.
    """
    return database.parent / run_name
