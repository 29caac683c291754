"""Read a task folder: the one place where task.toml meets the program. Every fault is one line that names the key."""

import itertools
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetPydanticSchema,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import core_schema

from kernelsmith import paths
from kernelsmith.core import caps, contract
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.kinds import DataKind, DeviceKind, Role, Unit
from kernelsmith.core.task import Argument, Case, Task
from kernelsmith.core.text_file import read_text, read_toml, shown
from kernelsmith.errors import TaskError

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
MOST_BYTES = 1 << 40
"""Of one argument, or of memory, and so on: beyond it a number is a mistake."""
Size = Annotated[int, Field(gt=0, lt=1 << 31)]
"""A C int."""
DTYPES = contract.dtypes()
DEVICES = contract.devices()
LIMITS = contract.limits()


def _one_of(names: Iterable[str]) -> Any:
    """Return what makes an annotated text accept these names alone."""
    return GetPydanticSchema(lambda source, handler: core_schema.literal_schema(list(names)))


def _limit(name: str) -> Any:
    """Return a setting with the default and the bound of one of the contract's limits."""
    limit = LIMITS[name]
    return Field(default=limit.default, gt=0, le=limit.most)


ARCHITECTURES = [name for device in DEVICES.values() for name in device.architectures]
VENDORS = [device.vendor for device in DEVICES.values()]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Argument(_Strict):
    name: Identifier
    role: Annotated[Role, Field(strict=False)]
    dtype: Annotated[str, _one_of(DTYPES)] | None = None
    shape: list[Identifier] = []

    @model_validator(mode="after")
    def _buffers_have_a_dtype_and_a_shape(self) -> "_Argument":
        if (self.role is Role.SIZE) == (self.dtype is not None) or (self.role is Role.SIZE) == bool(self.shape):
            raise ValueError(f"argument {self.name}: inputs and outputs have dtype and shape, sizes have neither")
        return self

    def bytes_in(self, sizes: Mapping[str, int]) -> int:
        return math.prod(sizes[name] for name in self.shape) * DTYPES[self.dtype].bytes if self.dtype else 0


class _Signature(_Strict):
    entry: Identifier
    arguments: list[_Argument]

    @model_validator(mode="after")
    def _shapes_name_sizes(self) -> "_Signature":
        sizes = {a.name for a in self.arguments if a.role is Role.SIZE}
        unknown = {d for a in self.arguments for d in a.shape} - sizes
        if unknown:
            raise ValueError(f"shape names {', '.join(sorted(unknown))}, which is no argument of role size")
        names = [a.name for a in self.arguments]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two arguments are called {twice}")
        if not any(a.role is Role.OUTPUT for a in self.arguments):
            raise ValueError("no argument has the role output")
        return self


class _Check(_Strict):
    rule: Annotated[str, _one_of(contract.names("task", "check_rules"))]
    left: Identifier | None = None
    right: Identifier | None = None
    output: Identifier | None = None
    independent: Identifier | None = None


class _Limits(_Strict):
    source_bytes: int = _limit("source_bytes")
    build_s: float = _limit("build_s")
    call_s: float = _limit("call_s")
    timing_s: float = _limit("timing_s")
    memory_bytes: int = _limit("memory_bytes")


class _Rules(_Strict):
    forbidden: list[str] = []
    text: list[str] = []


class _Case(_Strict):
    name: Identifier
    sizes: dict[Identifier, Size]
    data: Annotated[DataKind, Field(strict=False)] = DataKind.NORMAL
    timed: float = Field(default=0.0, ge=0, le=1e6)
    hidden: bool = False
    kind: str = ""


class TaskFile(_Strict):
    """task.toml: its tables and keys."""

    title: str
    device: Annotated[DeviceKind, Field(strict=False)]
    arch: Annotated[str, _one_of(ARCHITECTURES)] | None = None
    unit: Identifier
    languages: Annotated[list[Annotated[Language, Field(strict=False)]], Field(min_length=1)]
    skeleton: str
    vendor: Annotated[str, _one_of(VENDORS)] | None = None
    signature: _Signature
    check: _Check
    limits: _Limits = _Limits()
    rules: _Rules = _Rules()
    cases: Annotated[list[_Case], Field(min_length=1)]

    @model_validator(mode="after")
    def _the_device_offers_it(self) -> "TaskFile":
        kind = DEVICES[self.device]
        if self.unit not in kind.units:
            raise ValueError(f"unit: a {self.device} is measured in {', '.join(kind.units)} so far, not in {self.unit}")
        if strange := [language for language in self.languages if language not in kind.languages]:
            offered = ", ".join(kind.languages)
            raise ValueError(f"languages: {', '.join(strange)} does not run on a {self.device}; known are {offered}")
        if self.vendor not in (None, kind.vendor):
            raise ValueError(f"vendor: {self.vendor} is no library of a {self.device}; known is {kind.vendor}")
        if self.arch and self.arch not in kind.architectures:
            raise ValueError(f"arch: a cpu is taken as it is; {self.arch} is for cuda tasks")
        return self

    @model_validator(mode="after")
    def _a_product_names_its_arguments(self) -> "TaskFile":
        roles = {a.name: a.role for a in self.signature.arguments}
        for key, role in (("left", Role.INPUT), ("right", Role.INPUT), ("output", Role.OUTPUT)):
            name = getattr(self.check, key)
            if self.check.rule == "product" and roles.get(name) != role:
                raise ValueError(f"check.{key}: {name!r} is no {role} argument")
        return self

    @model_validator(mode="after")
    def _independent_rows_come_first(self) -> "TaskFile":
        size, rule = self.check.independent, self.check.rule
        if size is None:
            return self
        if rule != "elementwise":
            raise ValueError(f"check.independent: of rule {rule}; rows are sampled where the rule is elementwise")
        for a in self.signature.arguments:
            if size in a.shape[1:] or (a.role is Role.OUTPUT and a.shape[0] != size):
                raise ValueError(f"check.independent: {size} must count the rows of every output, and nothing but rows")
        if wide := next((case for case in self.cases if case.timed and case.data is DataKind.WIDE_RANGE), None):
            raise ValueError(f"check.independent: case {wide.name} is timed on wide_range data; few rows tell no scale")
        return self

    @model_validator(mode="after")
    def _cases_give_every_size(self) -> "TaskFile":
        sizes = {a.name for a in self.signature.arguments if a.role is Role.SIZE}
        names = [case.name for case in self.cases]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"cases: two are called {twice}")
        for case in self.cases:
            if set(case.sizes) != sizes:
                raise ValueError(f"case {case.name}: sizes must be exactly {', '.join(sorted(sizes))}")
        for case, argument in itertools.product(self.cases, self.signature.arguments):
            if argument.bytes_in(case.sizes) > MOST_BYTES:
                raise ValueError(f"case {case.name}: {argument.name} would take more than {MOST_BYTES >> 30:,} GiB")
        if not any(c.timed > 0 and not c.hidden for c in self.cases):
            raise ValueError("cases: one that is not hidden needs `timed = 1.0`")
        return self


def find_task(name: str) -> Task:
    """The shipped task of this name, or the task folder at this path.

    Raises:
        TaskError: there is neither, or the folder is malformed.
    """
    shipped = paths.tasks_folder() / name
    if os.path.isdir(shipped) and "/" not in name:
        return load_task(shipped)
    if os.path.isdir(name):  # unlike Path.is_dir, false for names that no file can have
        return load_task(Path(name))
    known = ", ".join(task_names())
    given = caps.cut(shown(name), caps.NAME)
    raise TaskError(f"no task {given!r}: give one of {known}, or the path of a folder that holds a task.toml")


def task_names() -> list[str]:
    """The names of the tasks that come with kernelsmith."""
    return sorted(p.parent.name for p in paths.tasks_folder().glob("*/task.toml"))


def load_task(folder: Path) -> Task:
    """Read and check one task folder.

    Raises:
        TaskError: a file is missing, or a key is missing, unknown, or of the wrong type; the message names it.
    """
    folder = _resolved(folder)
    spec = _parse(folder / "task.toml")
    skeleton = folder / spec.skeleton
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


def _resolved(folder: Path) -> Path:
    try:
        return folder.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links that lead round in a circle, names that cannot be
        raise TaskError(f"{shown(folder)}: not a folder: {error}") from error


def _text(path: Path) -> str:
    return read_text(path, fault=TaskError, remedy="; a task needs this file")


def _parse(path: Path) -> TaskFile:
    table = read_toml(path, fault=TaskError, remedy="; a task needs this file")
    try:
        return TaskFile.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        key = caps.cut(shown(".".join(str(part) for part in first["loc"])), caps.QUOTED) or "task"
        words = str(first["ctx"]["error"]) if first["type"] == "value_error" else first["msg"]
        if first["type"] == "literal_error":
            words += f", not {caps.cut(repr(first['input']), caps.QUOTED)}"
        said = caps.cut(shown(words), caps.NAME)
        raise TaskError(f"{shown(path)}: {key}: {said}") from error


def _families(folder: Path, spec: TaskFile) -> tuple[Path, ...]:
    suffixes = {language.suffix for language in spec.languages}
    return tuple(path for path in sorted(folder.glob("*")) if path.suffix in suffixes and path.is_file())


def _language_of(skeleton: Path, spec: TaskFile) -> Language:
    for language in spec.languages:
        if skeleton.suffix == language.suffix:
            return language
    raise TaskError(
        f"{shown(skeleton)}: the file's ending fits none of the task's languages: {', '.join(spec.languages)}"
    )
