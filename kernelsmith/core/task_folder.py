"""Read a task folder into a Task, and check task.toml against its schema. Every fault is one line that names file and
key.
"""

import os
from pathlib import Path

from pydantic import ValidationError

from kernelsmith import paths
from kernelsmith.core import caps
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.contract import devices
from kernelsmith.core.kinds import Unit
from kernelsmith.core.task import Argument, Case, Task
from kernelsmith.core.task_faults import fault_line
from kernelsmith.core.task_file import TaskFile
from kernelsmith.core.text_file import read_text, read_toml, shown
from kernelsmith.errors import TaskError

TASK_FILE = "task.toml"
NEEDED = "; a task needs this file"
"""Remedy in the error for a file of a task folder that cannot be read."""


def find_task(name: str) -> Task:
    """Return the task that `name` names: the name of a task that comes with kernelsmith, or the path of a task folder
    or of its task.toml. Raises TaskError, one line, if there is no such task, or if its folder is malformed.
    """
    shipped = paths.tasks_folder() / name
    if os.path.isdir(shipped) and "/" not in name:
        return load_task(shipped)
    if os.path.isdir(name):  # unlike Path.is_dir, false for names that no file can have
        return load_task(Path(name))
    if os.path.isfile(name):
        return load_task(_folder_of(Path(name)))
    known = ", ".join(task_names())
    quoted = caps.cut(shown(name), caps.NAME)
    raise TaskError(f"no task {quoted!r}: give one of {known}, or the path of a folder that holds a {TASK_FILE}")


def _folder_of(file: Path) -> Path:
    """Return the folder that contains `file`, the path of a task.toml. Raises TaskError if the file has
    another name.
    """
    if file.name != TASK_FILE:
        raise TaskError(f"{shown(file)}: no task folder; give the path of the folder, or of its {TASK_FILE}")
    return file.parent


def task_names() -> list[str]:
    """Return the names of the tasks that come with kernelsmith, as a sorted list."""
    return sorted(p.parent.name for p in paths.tasks_folder().glob(f"*/{TASK_FILE}"))


def load_task(folder: Path) -> Task:
    """Read a task folder, check task.toml against its schema, and return the task; benchmark.py is read as text and not
    executed. Raises TaskError, one line with file, line number and key, if a file is missing, or if a key is missing,
    unknown or wrong.
    """
    folder = _resolved(folder)
    spec = _parse(folder / TASK_FILE)
    skeleton = folder / spec.skeleton
    _require_vendor_file(folder, spec)
    return Task(
        name=folder.name,
        folder=folder,
        title=spec.title,
        device=spec.device,
        unit=Unit(spec.unit),
        languages=tuple(spec.languages),
        entry=spec.signature.entry,
        arguments=tuple(Argument(a.name, a.role, a.dtype or "", tuple(a.shape)) for a in spec.signature.arguments),
        cases=tuple(Case(c.name, c.sizes, c.data, c.timed, c.hidden, c.kind or c.name) for c in spec.cases),
        vendor=spec.vendor,
        rules=tuple(spec.rules.text),
        description=_text(folder / "description.md"),
        benchmark=_text(folder / "benchmark.py"),
        skeleton=Candidate(_text(skeleton), _language_of(skeleton, spec)),
        families=_families(folder / "families", spec),
        arch=spec.arch,
    )


def _require_vendor_file(folder: Path, spec: TaskFile) -> None:
    """Raise TaskError if task.toml sets `vendor` and the folder lacks the file that calls the library: `vendor.c` for a
    CPU task, `vendor.cu` for a GPU task. The file is read as text and not built.
    """
    if spec.vendor:
        language = Language(devices()[spec.device].languages[0])
        remedy = f"; write it, or leave out `vendor` in {TASK_FILE}"
        read_text(folder / f"vendor{language.suffix}", fault=TaskError, remedy=remedy)


def _resolved(folder: Path) -> Path:
    try:
        return folder.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a circle of links, a name that no file can have
        raise TaskError(f"{shown(folder)}: not a folder: {error}") from error


def _text(path: Path) -> str:
    return read_text(path, fault=TaskError, remedy=NEEDED)


def _parse(path: Path) -> TaskFile:
    table = read_toml(path, fault=TaskError, remedy=NEEDED)
    try:
        return TaskFile.model_validate(table)
    except ValidationError as error:
        raise TaskError(fault_line(error, place=shown(path), text=_text(path))) from error


def _families(folder: Path, spec: TaskFile) -> tuple[Path, ...]:
    suffixes = {language.suffix for language in spec.languages}
    return tuple(path for path in sorted(folder.glob("*")) if path.suffix in suffixes and path.is_file())


def _language_of(skeleton: Path, spec: TaskFile) -> Language:
    for language in spec.languages:
        if skeleton.suffix == language.suffix:
            return language
    endings = ", ".join(f"{language.suffix} ({language})" for language in spec.languages)
    raise TaskError(f"{shown(skeleton)}: the skeleton's ending fits no language of the task; rename it to {endings}")
