"""Define the schema of task.toml: every table and key with its default, its limits and a description of the allowed
values.

Error messages and the test of docs/task.md read the descriptions. task_folder.py reads a whole task folder.
"""

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetPydanticSchema, StringConstraints, model_validator
from pydantic_core import PydanticCustomError, core_schema

from kernelsmith.core import contract
from kernelsmith.core.candidate import Language
from kernelsmith.core.kinds import DataKind, DeviceKind, Role

MOST_BYTES = 1 << 40
"""Largest size of one argument in bytes; a larger product of sizes is a typing error."""
MOST_SIZE = (1 << 31) - 1
"""Largest value of a size: candidates receive sizes as C `int`."""
MOST_WEIGHT = 1e6
"""Largest weight of a timed case."""
TASK_FAULT = "task"
"""Type of the pydantic errors that `_fault` makes."""
DTYPES = contract.dtypes()
DEVICES = contract.devices()
LIMITS = contract.limits()
CHECK_RULES = contract.names("task", "check_rules")
ARCHITECTURES = [name for device in DEVICES.values() for name in device.architectures]
VENDORS = [device.vendor for device in DEVICES.values()]


def _fault(key: str, words: str) -> PydanticCustomError:
    """Return, without raising it, a pydantic error for a task.toml that breaks a rule about several keys together.
    `key` is the dotted path of the key at fault, such as `check.left`; `words` say what is wrong and what to change.
    """
    return PydanticCustomError(TASK_FAULT, "{key}: {words}", {"key": key, "words": words})


def _names(names: Iterable[str]) -> str:
    return ", ".join(names)


def _by_device(key: str) -> str:
    """Return in words which values task.toml may hold for each kind of device. `key` names a field of DeviceFacts, such
    as `units`: `fp32, dram (device cpu) or fp8, bf16 (device cuda)`.
    """
    return " or ".join(f"{_names(getattr(facts, key))} (device {kind})" for kind, facts in DEVICES.items())


def _one_of(names: Iterable[str]) -> Any:
    """Return a type annotation for a text field of a pydantic model that accepts only these `names`; pydantic raises
    ValidationError for any other value.
    """
    return GetPydanticSchema(lambda source, handler: core_schema.literal_schema(list(names)))


def _limit(name: str, unit: str) -> Any:
    """Return the pydantic field of a model for the key `name` of the table `[limits]` of task.toml; contract.toml gives
    its default and its highest value. `unit` is the beginning of the field's description, such as `a number of
    seconds`.
    """
    limit = LIMITS[name]
    return Field(
        default=limit.default, gt=0, le=limit.most, description=f"{unit} above 0 and at most {limit.most:,.0f}"
    )


IDENTIFIER = "a C identifier: letters, digits and underscores, not beginning with a digit"
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Size = Annotated[int, Field(gt=0, le=MOST_SIZE)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Argument(_Strict):
    name: Identifier = Field(description=IDENTIFIER)
    role: Annotated[Role, Field(strict=False)] = Field(description=f"one of {_names(Role)}")
    dtype: Annotated[str, _one_of(DTYPES)] | None = Field(default=None, description=f"one of {_names(DTYPES)}")
    shape: list[Identifier] = Field(default=[], description='a list of names of size arguments, such as ["M", "K"]')

    @model_validator(mode="after")
    def _buffers_have_a_dtype_and_a_shape(self) -> "_Argument":
        if (self.role is Role.SIZE) == (self.dtype is not None) or (self.role is Role.SIZE) == bool(self.shape):
            raise _fault(
                "signature.arguments",
                f"argument {self.name}: inputs and outputs need `dtype` and `shape`, sizes must have neither",
            )
        return self

    def bytes_in(self, sizes: Mapping[str, int]) -> int:
        return math.prod(sizes[name] for name in self.shape) * DTYPES[self.dtype].bytes if self.dtype else 0


class _Signature(_Strict):
    entry: Identifier = Field(description=IDENTIFIER)
    arguments: list[_Argument] = Field(description="a list of tables, one for each argument of the entry function")

    @model_validator(mode="after")
    def _shapes_name_sizes(self) -> "_Signature":
        sizes = {a.name for a in self.arguments if a.role is Role.SIZE}
        key = "signature.arguments"
        if unknown := {d for a in self.arguments for d in a.shape} - sizes:
            raise _fault(key, f"a shape names {_names(sorted(unknown))}, which is no argument of role size")
        names = [a.name for a in self.arguments]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise _fault(key, f"two arguments are called {twice}; rename one")
        if not any(a.role is Role.OUTPUT for a in self.arguments):
            raise _fault(key, "no argument has the role output; the judge needs at least one")
        return self


class _Check(_Strict):
    rule: Annotated[str, _one_of(CHECK_RULES)] = Field(description=f"one of {_names(CHECK_RULES)}")
    left: Identifier | None = Field(default=None, description="the name of an input argument")
    right: Identifier | None = Field(default=None, description="the name of an input argument")
    output: Identifier | None = Field(default=None, description="the name of an output argument")
    independent: Identifier | None = Field(
        default=None, description="the name of the size argument that counts the rows of every output"
    )


class _Limits(_Strict):
    source_bytes: int = _limit("source_bytes", "a whole number of bytes")
    build_s: float = _limit("build_s", "a number of seconds")
    call_s: float = _limit("call_s", "a number of seconds")
    timing_s: float = _limit("timing_s", "a number of seconds")
    memory_bytes: int = _limit("memory_bytes", "a whole number of bytes")


class _Rules(_Strict):
    forbidden: list[str] = Field(default=[], description="a list of texts that no candidate may contain")
    text: list[str] = Field(default=[], description="a list of sentences for the proposer")


class _Case(_Strict):
    name: Identifier = Field(description=IDENTIFIER)
    sizes: dict[Identifier, Size] = Field(
        description=f"a table with a whole number from 1 to {MOST_SIZE:,} for each size argument"
    )
    data: Annotated[DataKind, Field(strict=False)] = Field(
        default=DataKind.NORMAL, description=f"one of {_names(DataKind)}"
    )
    timed: float = Field(default=0.0, ge=0, le=MOST_WEIGHT, description=f"a weight from 0 to {MOST_WEIGHT:,.0f}")
    hidden: bool = Field(default=False, description="true or false")
    kind: str = Field(default="", description="a text that may be shown to the proposer")


class TaskFile(_Strict):
    """The content of one task.toml as a pydantic model with one field per key. Making it checks types, ranges, unknown
    keys and the rules that tie keys together, and raises pydantic's ValidationError at a fault. task_folder.py makes it
    and turns it into a Task.
    """

    title: str = Field(description="a text of one line")
    device: Annotated[DeviceKind, Field(strict=False)] = Field(description=f"one of {_names(DeviceKind)}")
    arch: Annotated[str, _one_of(ARCHITECTURES)] | None = Field(
        default=None, description=f"one of {_names(ARCHITECTURES)}, for device cuda"
    )
    unit: Identifier = Field(description=f"one of {_by_device('units')}")
    languages: Annotated[list[Annotated[Language, Field(strict=False)]], Field(min_length=1)] = Field(
        description=f"a list of at least one of {_by_device('languages')}"
    )
    skeleton: str = Field(description="the name of a file in the task folder")
    vendor: Annotated[str, _one_of(VENDORS)] | None = Field(
        default=None, description=" or ".join(f"{facts.vendor} (device {kind})" for kind, facts in DEVICES.items())
    )
    signature: _Signature = Field(description="the table [signature] with entry and arguments")
    check: _Check = Field(description="the table [check] with rule")
    limits: _Limits = Field(default=_Limits(), description="the table [limits]")
    rules: _Rules = Field(default=_Rules(), description="the table [rules]")
    cases: Annotated[list[_Case], Field(min_length=1)] = Field(
        description="at least one table [[cases]] with name and sizes"
    )

    @model_validator(mode="after")
    def _the_device_offers_it(self) -> "TaskFile":
        kind = DEVICES[self.device]
        if self.unit not in kind.units:
            raise _fault("unit", f"{self.unit} is no unit of device {self.device}; use one of {_names(kind.units)}")
        if strange := [language for language in self.languages if language not in kind.languages]:
            offered = f"use {_names(kind.languages)}"
            raise _fault("languages", f"{_names(strange)} does not run on device {self.device}; {offered}")
        if self.vendor not in (None, kind.vendor):
            raise _fault("vendor", f"{self.vendor} is no library of device {self.device}; use {kind.vendor}")
        if self.arch and self.arch not in kind.architectures:
            raise _fault("arch", f"{self.arch} is for device cuda; remove the key for device {self.device}")
        return self

    @model_validator(mode="after")
    def _a_product_names_its_arguments(self) -> "TaskFile":
        roles = {a.name: a.role for a in self.signature.arguments}
        for key, role in (("left", Role.INPUT), ("right", Role.INPUT), ("output", Role.OUTPUT)):
            name = getattr(self.check, key)
            if self.check.rule != "product" or roles.get(name) == role:
                continue
            known = _names(n for n, r in roles.items() if r is role) or "none"
            fault = f"{name} is no {role} argument" if name else "the rule product needs it"
            raise _fault(f"check.{key}", f"{fault}; the {role} arguments are {known}")
        return self

    @model_validator(mode="after")
    def _independent_rows_come_first(self) -> "TaskFile":
        size, rule, key = self.check.independent, self.check.rule, "check.independent"
        if size is None:
            return self
        if rule != "elementwise":
            raise _fault(key, f'the rule is {rule}; the key is for rule = "elementwise"')
        for a in self.signature.arguments:
            if size in a.shape[1:] or (a.role is Role.OUTPUT and a.shape[0] != size):
                raise _fault(
                    key, f"{size} must be the first size in the shape of every output, and first in all shapes"
                )
        if wide := next((case for case in self.cases if case.timed and case.data is DataKind.WIDE_RANGE), None):
            raise _fault(
                key, f"case {wide.name} is timed on wide_range data, of which a sample of rows shows no common scale"
            )
        return self

    @model_validator(mode="after")
    def _cases_give_every_size(self) -> "TaskFile":
        sizes = {a.name for a in self.signature.arguments if a.role is Role.SIZE}
        names = [case.name for case in self.cases]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise _fault("cases", f"two cases are called {twice}; rename one")
        for number, case in enumerate(self.cases):
            if set(case.sizes) != sizes:
                wanted = f"must hold exactly {_names(sorted(sizes))}, the arguments of role size"
                raise _fault(f"cases.{number}.sizes", f"case {case.name}: {wanted}")
        for case, argument in itertools.product(self.cases, self.signature.arguments):
            if argument.bytes_in(case.sizes) > MOST_BYTES:
                number = self.cases.index(case)
                much = f"{argument.name} would take more than {MOST_BYTES >> 30:,} GiB"
                raise _fault(f"cases.{number}.sizes", f"case {case.name}: {much}; make its sizes smaller")
        if not any(c.timed > 0 and not c.hidden for c in self.cases):
            raise _fault("cases", "no case is timed and shown; add `timed = 1.0` to a case that is not hidden")
        return self
