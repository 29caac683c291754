"""A file that a README, a comment or a message names with its folder exists: names that moved mislead a reader."""

import re
from pathlib import Path

import pytest
from programs import ROOT

NAMED = re.compile(r"(?<![\w./{}*-])(?:[a-z_]+/)+[a-z_0-9]+\.(?:py|cu|toml)\b")
OF_TRITON = {"backends/nvidia/driver.py", "compiler/compiler.py", "runtime/jit.py"}
TEXTS = [
    *(
        ROOT / name
        for name in ("README.md", "harness/README.md", "pyproject.toml", "Makefile", "harness/contract.toml")
    ),
    *(path for folder in ("harness", "kernelsmith", "benchmarks") for path in (ROOT / folder).rglob("*.py")),
    *(ROOT / "harness").rglob("*.cu"),
]


@pytest.fixture(scope="module")
def files() -> set[str]:
    """Paths below the root, and every end of them that still names a folder."""
    folders = ("harness", "kernelsmith", "benchmarks", "tests", "tasks", "templates", "examples")
    paths = [path.relative_to(ROOT).parts for folder in folders for path in (ROOT / folder).rglob("*.*")]
    return {"/".join(parts[first:]) for parts in paths for first in range(len(parts) - 1)}


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_is_named_exists(files: set[str], text: Path) -> None:
    named = set(NAMED.findall(text.read_text(encoding="utf-8")))
    assert named - files - OF_TRITON == set()
