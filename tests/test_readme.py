"""README.md agrees with the disk and the program: its map, its commands, its length."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from programs import ROOT

from kernelsmith.cli.app import app

README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = 160
NOT_ON_THE_MAP = {"LICENSE", "CHANGELOG.md", "README.md", "Makefile", "pyproject.toml"}
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def blocks() -> list[str]:
    """The fenced blocks, in their order."""
    return re.findall(r"^```\w*\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def mapped() -> dict[Path, str]:
    """The paths that the map names, each with its line; an entry that is indented lies below the one before."""
    (block,) = (block for block in blocks() if block.startswith("kernelsmith/  "))
    paths: dict[Path, str] = {}
    parents: dict[int, Path] = {}
    for line in block.splitlines():
        indent = len(line) - len(line.lstrip())
        for name in re.split(r"\s{2,}", line.strip(), maxsplit=1)[0].split():
            parent = parents[max((depth for depth in parents if depth < indent), default=-1)] if indent else ROOT
            paths[parent / name] = line
            last = parent / name
        parents = {depth: path for depth, path in parents.items() if depth < indent} | {indent: last}
    return paths


def commands() -> list[str]:
    """Every command line that a block shows, without its comment."""
    found = []
    for block in blocks():
        for line in block.splitlines():
            found += [part.strip() for part in re.findall(r"(?:^|  )(kernelsmith [a-z][^#]*?)(?=  |$)", line)]
    return found


def test_what_the_map_names_is_there() -> None:
    assert [str(path) for path in mapped() if not path.exists()] == []


@pytest.mark.parametrize("folder", [".", "kernelsmith", "harness", "harness/harness"])
def test_every_folder_is_on_the_map(folder: str) -> None:
    hidden = (".", "__")
    folders = {path for path in (ROOT / folder).iterdir() if path.is_dir() and not path.name.startswith(hidden)}
    tracked = {path for path in folders if any(path.rglob("*.py")) or path.name in ("docs", "templates", "runs")}
    assert {path.name for path in tracked} <= {path.name for path in mapped()}


def test_every_command_is_shown() -> None:
    assert {line.split()[1] for line in commands()} >= set(COMMANDS)


@pytest.mark.parametrize("line", commands())
def test_a_command_that_is_shown_has_the_options_that_it_is_shown_with(line: str) -> None:
    _, command, *words = shlex.split(line)
    options = {name for parameter in COMMANDS[command].params for name in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= options


def test_a_reader_is_done_within_a_few_minutes() -> None:
    assert len(README.splitlines()) <= LINES
