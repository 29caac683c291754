"""Locates tasks, templates, the harness and runs, in a source checkout and in an installed wheel.

No other module knows this layout.
"""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_SHIPPED = _PACKAGE / "_data"


def _find(name: str, *, below: str = "") -> Path:
    """Return the folder `name` that ships with kernelsmith.

    In a wheel it is part of the package. In a checkout it is in the folder of pyproject.toml, or in that folder's
    subfolder `below`.
    """
    shipped = _SHIPPED / name
    return shipped if shipped.is_dir() else _PACKAGE.parent / below / name


def package_folder() -> Path:
    """Return the folder of the agent's own source, the package `kernelsmith`."""
    return _PACKAGE


def harness_folder() -> Path:
    """Return the folder of the harness, the program that judges; it is started as `python -I FOLDER`."""
    return _find("harness")


def tasks_folder() -> Path:
    """Return the folder of the tasks that ship with kernelsmith, one subfolder per task."""
    return _find("tasks")


def templates_folder() -> Path:
    """Return the folder of the Jinja2 templates of prompts."""
    return _find("templates")


def exploits_folder() -> Path:
    """Return the folder of the zoo: cheating and honest candidates that `kernelsmith selftest` judges."""
    return _find("exploits", below="tests")


def selftest_task_folder(device: str) -> Path:
    """Return the folder of the small task that the zoo's candidates for a device are written for (`cpu` or `cuda`)."""
    return _find({"cpu": "small_matmul", "cuda": "small_gpu_matmul"}[device], below="tests/tasks")


def default_database() -> Path:
    """Return the path, relative to the working directory, of the SQLite database that holds all runs by default."""
    return Path("runs") / "attempts.db"


def cache_folder() -> Path:
    """Return the folder that caches built candidates and trusted programs by their content; it is safe to delete."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kernelsmith"


def run_folder(database: Path, run_name: str) -> Path:
    """Return the folder of one run, next to the database: its candidates' sources and the harness's log file."""
    return database.parent / run_name
