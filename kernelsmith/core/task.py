"""A task: what to make fast, how it is checked, where to start."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.kinds import DataKind, DeviceKind, Role, Unit


@dataclass(frozen=True, slots=True)
class Case:
    """One concrete problem: sizes and kind of data."""

    name: str
    sizes: Mapping[str, int]
    data: DataKind
    timed: float
    """Weight in the score; 0 = checked only."""
    hidden: bool
    kind: str
    """What a failure in a hidden case may say about it."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of the entry function, in order."""

    name: str
    role: Role
    dtype: str
    shape: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """A folder in tasks/, read and checked."""

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
    """Source of benchmark.py, shown to the proposer as it stands."""
    skeleton: Candidate
    families: tuple[Path, ...]
    """The tuner's parametrized kernels, simple to elaborate, in file-name order."""
    arch: str | None = None
    """The GPU architecture that candidates are built for, `sm_90a`; None = the builder's own choice."""

    @property
    def main(self) -> Case:
        """The first timed case: duels, audit and vendor line use it."""
        return next(case for case in self.cases if case.timed > 0)

    @property
    def shown_cases(self) -> tuple[Case, ...]:
        """The cases a proposer may know of."""
        return tuple(case for case in self.cases if not case.hidden)

    @property
    def digest(self) -> str:
        """SHA-256 over every file of the folder but caches: a changed task is another task."""
        files = sorted(p for p in self.folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        digest = hashlib.sha256()
        for path in files:
            digest.update(os.fsencode(path.relative_to(self.folder)) + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()
