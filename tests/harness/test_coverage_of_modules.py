"""Every module of the judge is imported by a test, or by a module that only tests use."""

import ast
from collections.abc import Iterator
from pathlib import Path

from programs import ROOT

PACKAGE = ROOT / "harness" / "harness"
NEED_A_GPU = {
    "harness.memory.cuda",
    "harness.memory.kernels",
    "harness.worker.runtime.tensor",
    "harness.worker.runtime.triton_driver",
}
"""Modules that a GPU library or the worker on a GPU must load; tests/gpu starts judges that run all of them."""


def modules() -> set[str]:
    """Return the dotted names of all modules; an `__init__.py` without code is none."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if path.name != "__init__.py":
            found.add(".".join(parts))
        elif len(ast.parse(path.read_text(encoding="utf-8")).body) > 1:
            found.add(".".join(parts[:-1]))
    return found


def imported(path: Path) -> Iterator[str]:
    """Yield every dotted name that a file may import: `from a import b` names `a` and `a.b`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def names_in_tests() -> set[str]:
    """Return the names that the test modules and their helper modules import."""
    folders = [ROOT / "tests" / name for name in ("exploits", "tasks")]
    tests = (path for path in (ROOT / "tests").rglob("*.py") if not any(path.is_relative_to(f) for f in folders))
    return {name for path in tests for name in imported(path)}


def test_every_module_of_the_judge_is_imported_by_a_test() -> None:
    assert modules() - names_in_tests() - NEED_A_GPU == set()


def test_no_module_is_excused_that_a_test_imports_or_that_is_gone() -> None:
    assert modules() - names_in_tests() >= NEED_A_GPU
