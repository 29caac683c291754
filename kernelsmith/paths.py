"""Where tasks, templates, harness and runs are: the only module that knows the layout of a checkout and of a wheel."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_SHIPPED = _PACKAGE / "_data"


def _find(name: str, *, below: str = "") -> Path:
    """In a wheel the folder lies inside the package; in a checkout beside pyproject.toml, or in a folder there."""
    shipped = _SHIPPED / name
    return shipped if shipped.is_dir() else _PACKAGE.parent / below / name


def package_folder() -> Path:
    """The agent's own source."""
    return _PACKAGE


def harness_folder() -> Path:
    """The program that judges, started as `python -I <folder>`."""
    return _find("harness")


def tasks_folder() -> Path:
    """The tasks that come with kernelsmith, one folder each."""
    return _find("tasks")


def templates_folder() -> Path:
    """The Jinja2 prompts."""
    return _find("templates")


def exploits_folder() -> Path:
    """The zoo of candidates that `kernelsmith selftest` judges."""
    return _find("exploits", below="tests")


def selftest_task_folder(device: str) -> Path:
    """The small task that the zoo's candidates for a kind of device are written for."""
    return _find({"cpu": "small_matmul", "cuda": "small_gpu_matmul"}[device], below="tests/tasks")


def default_database() -> Path:
    """All runs started from the working directory, in one file."""
    return Path("runs") / "attempts.db"


def cache_folder() -> Path:
    """Built candidates and trusted programs, by content; safe to delete."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kernelsmith"


def run_folder(database: Path, run_name: str) -> Path:
    """One folder a run, beside the database: the candidates as they were judged, and the harness's log file."""
    return database.parent / run_name
