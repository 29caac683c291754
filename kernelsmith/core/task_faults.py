"""Turn pydantic's errors about a task.toml into one line that names file, line, key and remedy."""

import difflib
import json
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from kernelsmith.core import caps
from kernelsmith.core.task_file import TASK_FAULT, TaskFile
from kernelsmith.core.text_file import shown
from kernelsmith.core.toml_line import Location, line_of

UNKNOWN, MISSING = "extra_forbidden", "missing"
"""Pydantic's types of the errors for a key that the schema lacks and for a key that the file lacks."""


def fault_line(error: ValidationError, *, place: str, text: str) -> str:
    """Return one line about the most telling error of a task.toml: file, line number, key, wrong value and remedy.
    `error` is pydantic's report, which may hold several errors; `place` is the file's path as text, and `text` is the
    file's content, in which the line of the key is looked up.

    An unknown key goes first, because a misspelt key is also a missing one.
    """
    details = sorted(error.errors(), key=lambda each: each["type"] != UNKNOWN)[0]
    location = _location(details)
    line = line_of(text, location)
    words = caps.cut(shown(_words(details, location)), caps.NAME)
    return f"{place}:{line}: {words}" if line else f"{place}: {words}"


def _location(details: ErrorDetails) -> Location:
    if details["type"] == TASK_FAULT:
        return tuple(int(part) if part.isdecimal() else part for part in details["ctx"]["key"].split("."))
    return tuple(part for part in details["loc"] if part != "[key]")


def _words(details: ErrorDetails, location: Location) -> str:
    key = _dotted(location)
    if details["type"] == TASK_FAULT:
        return f"`{key}`: {details['ctx']['words']}"
    if details["type"] == UNKNOWN:
        return f"unknown key `{key}`; {_suggestion(location)}"
    if details["type"] == MISSING:
        return f"missing key `{key}`: {_wanted(location)}"
    value = caps.cut(_as_toml(details["input"]), caps.QUOTED)
    return f"`{key}` is {value}; it must be {_wanted(location)}"


def _suggestion(location: Location) -> str:
    """Return in words what to write in place of an unknown key of task.toml: a similar key, the right table, or the
    known keys. `location` holds the keys and list indexes that lead from the top of the file to the unknown key.
    """
    name, known = str(location[-1]), list(_model_at(location[:-1]).model_fields)
    if close := difflib.get_close_matches(name, known, n=1):
        return f"did you mean `{close[0]}`?"
    if (table := next((table for table, key in _keys(TaskFile) if key == name), None)) is not None:
        return f"`{name}` belongs {f'in the table [{table}]' if table else 'above the first table'}"
    return f"known keys are {', '.join(known)}"


def _keys(model: type[BaseModel], table: str = "") -> Iterator[tuple[str, str]]:
    """Yield a pair of texts (table, key) for every setting that the pydantic model `model` defines, in its nested
    tables too. `table` is the dotted name of the model's table in task.toml, empty at the top of the file.
    """
    for name, field in model.model_fields.items():
        yield table, name
        if inner := model_in(field.annotation):
            yield from _keys(inner, f"{table}.{name}" if table else name)


def _wanted(location: Location) -> str:
    """Return in words the values that task.toml may hold at `location` (keys and list indexes that lead to a key from
    the top of the file); for an unknown key, the values of the nearest known table around it.
    """
    names = [part for part in location if isinstance(part, str)]
    model: type[BaseModel] | None = TaskFile
    wanted = ""
    for name in names:
        if model is None or name not in model.model_fields:
            break
        field = model.model_fields[name]
        wanted, model = field.description or wanted, model_in(field.annotation)
    return wanted


def _model_at(location: Location) -> type[BaseModel]:
    """Return the pydantic model class of the table of task.toml at `location` (keys and list indexes that lead to it
    from the top of the file); for an unknown key, the class of the nearest known table around it.
    """
    model: type[BaseModel] = TaskFile
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = model_in(model.model_fields[part].annotation) or model
    return model


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the pydantic model class that a field's type annotation contains, such as `Model` in `list[Model]`; None
    if the annotation contains no model.
    """
    if parts := typing.get_args(annotation):
        return next((model for part in parts if (model := model_in(part))), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _dotted(location: Location) -> str:
    return caps.cut(".".join(str(part) for part in location), caps.QUOTED)


def _as_toml(value: Any) -> str:
    """Return a value about as task.toml spells it, for an error message: `"cpu"`, `true`, `3`. A table or a list is
    only named: `a table`, `a list`, `an empty list`.
    """
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool) else str(value)
