"""Define the types of a task: its cases, the arguments of its entry function, and its files as text."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.kinds import DataKind, DeviceKind, Role, Unit


@dataclass(frozen=True, slots=True)
class Case:
    """One problem of a task on which kernels are checked and timed: sizes of the arguments by name, kind of random
    data, weight in the score (`timed`), and whether proposers must not see it (`hidden`). It is read from a table
    `[[cases]]` of task.toml.
    """

    name: str
    sizes: Mapping[str, int]
    data: DataKind
    timed: float
    """Weight of the case in the score; 0 means that the case is checked and not timed."""
    hidden: bool
    """Whether prompts and verdicts keep the case from proposers."""
    kind: str
    """The words about a hidden case that a verdict may hold: `sizes not a multiple of 8`."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of the entry function, the function that every candidate must define: name, role (input, output or
    size), and for an array its element type and its shape, given as names of sizes.
    """

    name: str
    role: Role
    dtype: str
    """Element type of an array, such as `float32`; empty for a size."""
    shape: tuple[str, ...]
    """Names of the size arguments that give an array's dimensions, slowest first; empty for a size."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task folder that was read and checked: the settings of task.toml, the cases, the texts of description.md and
    benchmark.py, the skeleton to start from, and the tuner's kernels. task_folder.py makes it; benchmark.py is text
    here and is not executed.
    """

    name: str
    folder: Path
    title: str
    device: DeviceKind
    unit: Unit
    languages: tuple[Language, ...]
    entry: str
    arguments: tuple[Argument, ...]
    cases: tuple[Case, ...]
    vendor: str | None
    rules: tuple[str, ...]
    description: str
    benchmark: str
    """Source text of benchmark.py, which prompts show unchanged."""
    skeleton: Candidate
    families: tuple[Path, ...]
    """Paths of the kernels with marked constants that the tuner varies, sorted by file name."""
    arch: str | None = None
    """The GPU architecture that candidates are built for, such as `sm_90a`; None means the default of the device."""

    @property
    def main(self) -> Case:
        """Return the main case of the task: the first one with a weight above 0. Duels (two kernels in turn), audits
        (single calls) and the vendor library are measured in this case only.
        """
        return next(case for case in self.cases if case.timed > 0)

    @property
    def shown_cases(self) -> tuple[Case, ...]:
        """Return the cases that proposers may see, as a tuple in the order of task.toml; hidden cases are left out."""
        return tuple(case for case in self.cases if not case.hidden)

    @property
    def digest(self) -> str:
        """Return the SHA-256 sum over the paths and contents of all files in the task folder, without `__pycache__`, as
        64 hexadecimal digits. Every use reads the files again. Raises OSError if a file cannot be read.
        """
        files = sorted(p for p in self.folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        digest = hashlib.sha256()
        for path in files:
            digest.update(os.fsencode(path.relative_to(self.folder)) + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()
