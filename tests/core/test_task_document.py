"""docs/task.md lists every key of task.toml and every function of benchmark.py, and its example is a whole task."""

import ast
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import ROOT
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from harness import task as judge_task
from harness.checking import benchmark_check, inputs
from kernelsmith.core.task_faults import model_in
from kernelsmith.core.task_file import TaskFile
from kernelsmith.core.task_folder import load_task

PAGE = (ROOT / "docs" / "task.md").read_text(encoding="utf-8")


def rows(*headings: str) -> list[list[str]]:
    """Return the cells of every table row of the page whose table has these headings."""
    table, listed = "", []
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            table = ""
        elif not table:
            table = "wanted" if cells == list(headings) else "another"
        elif table == "wanted" and set(line) != set("|-"):
            listed.append(cells)
    return listed


def keys(model: type[BaseModel] = TaskFile, before: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield the dotted name and the field of every setting of task.toml."""
    for name, field in model.model_fields.items():
        if inner := model_in(field.annotation):
            yield from keys(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}", field


def default_words(key: str, field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if key == "cases.kind":
        return "the name"
    value = field.default
    if isinstance(value, bool):
        return str(value).lower()
    return {None: "none", "[]": "empty"}.get(value if value is None else str(value)) or (
        f"{value:,g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    )


SETTINGS = dict(keys())
DOCUMENTED = {row[0].strip("`"): row for row in rows("key", "allowed values", "default", "meaning", "example")}


def test_the_page_lists_every_key_and_no_other():
    assert list(DOCUMENTED) == list(SETTINGS)


@pytest.mark.parametrize("key", SETTINGS)
def test_a_key_has_its_default_its_limits_a_meaning_and_an_example(key):
    _, allowed, default, meaning, example = DOCUMENTED[key]
    assert allowed == SETTINGS[key].description
    assert default == default_words(key, SETTINGS[key])
    assert meaning.endswith(".")
    assert example.strip("`")


@pytest.mark.parametrize("key", [key for key, field in SETTINGS.items() if "at most" in (field.description or "")])
def test_the_limits_in_words_are_those_that_are_enforced(key):
    most = int(re.findall(r"at most ([\d,]+)", SETTINGS[key].description)[0].replace(",", ""))
    assert most == next(bound.le for bound in SETTINGS[key].metadata if hasattr(bound, "le"))


def called_functions() -> set[str]:
    """Return the names that the judge reads from the module benchmark.py."""
    names = set()
    for module in (judge_task, inputs):
        for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute | ast.Name):
                owner = node.value.attr if isinstance(node.value, ast.Attribute) else node.value.id
                names |= {node.attr} if owner == "benchmark" else set()
    return names


def test_the_page_lists_every_function_that_the_judge_calls_and_no_other():
    listed = {
        re.sub(r"\(.*", "", row[0].strip("`")): row for row in rows("function", "needed", "must return", "example")
    }
    assert set(listed) == called_functions() == set(benchmark_check.FUNCTIONS)
    for name, function in benchmark_check.FUNCTIONS.items():
        assert listed[name][0] == f"`{function.signature}`"
        assert listed[name][2].startswith(function.returns)
        assert listed[name][3].strip("`")


def test_the_page_lists_the_keys_of_a_tolerance_with_their_defaults():
    listed = {row[0].strip("`"): row[1] for row in rows("key of the tolerance", "default", "meaning")}
    fields = dataclasses.fields(judge_task.Tolerance)
    missing = dataclasses.MISSING
    assert listed == {f.name: "required" if f.default is missing else str(f.default) for f in fields}


def test_the_example_of_the_page_is_a_whole_task(tmp_path):
    toml, python = (re.findall(rf"```{name}\n(.*?)```", PAGE, re.DOTALL)[0] for name in ("toml", "python"))
    (tmp_path / "task.toml").write_text(toml)
    (tmp_path / "benchmark.py").write_text(python)
    for name in ("skeleton.c", "description.md"):
        (tmp_path / name).write_text("void row_sums(void) {}\n")
    assert load_task(tmp_path).entry == "row_sums"
    assert benchmark_check.load(tmp_path).takes_rows_of_calls


def test_the_page_is_short_enough_to_be_read():
    assert len(PAGE.splitlines()) <= 200
