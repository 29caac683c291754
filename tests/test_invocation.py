"""The command that the program suggests works as typed: by its name on PATH, by a path, or by the interpreter."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kernelsmith.invocation import command_for, command_name

ROOT = Path(__file__).parents[1]
DATABASES = ROOT / "tests" / "log" / "databases"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script of an installation in an environment of the working directory."""
    return _script(tmp_path / ".venv" / "bin")


def _script(folder: Path) -> Path:
    folder.mkdir(parents=True)
    path = folder / "kernelsmith"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_name_is_enough_where_the_shell_finds_this_script(script):
    path = f"/usr/bin:{script.parent}"
    assert command_for(str(script), search_path=path, scripts=str(script.parent)) == "kernelsmith"


def test_a_link_on_the_path_to_this_script_counts_as_this_script(script, tmp_path):
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "kernelsmith").symlink_to(script)
    assert command_for(str(script), search_path=str(tmp_path / "local"), scripts="/nowhere") == "kernelsmith"


def test_the_path_of_the_script_is_given_where_the_shell_finds_none(script, tmp_path):
    found = command_for(str(script), search_path="/usr/bin", scripts=str(script.parent), folder=tmp_path)
    assert found == ".venv/bin/kernelsmith"


def test_another_installation_on_the_path_is_not_suggested(script, tmp_path):
    other = _script(tmp_path / "other")
    found = command_for(str(script), search_path=str(other.parent), scripts=str(script.parent), folder=tmp_path)
    assert found == ".venv/bin/kernelsmith"


def test_the_absolute_path_is_given_where_it_is_shorter(script, tmp_path):
    deep = tmp_path.joinpath(*["deep"] * 30)
    assert command_for(str(script), search_path="", scripts="", folder=deep) == str(script)


def test_a_script_in_the_working_directory_is_named_with_a_folder(script):
    assert command_for(str(script), search_path="", scripts="", folder=script.parent) == "./kernelsmith"


def test_a_path_with_a_space_is_quoted(tmp_path):
    script = _script(tmp_path / "my tools")
    assert command_for(str(script), search_path="", scripts="", folder=tmp_path) == "'my tools/kernelsmith'"


@pytest.mark.parametrize("started", ["/somewhere/cli/__main__.py", "hello.py", "/removed/bin/kernelsmith", ""])
def test_the_interpreter_is_named_where_the_program_has_no_script(started):
    assert command_for(started, search_path="", scripts="") == f"{sys.executable} -m kernelsmith.cli"


def test_a_program_that_imports_kernelsmith_names_the_script_of_its_interpreter(script):
    assert command_for("hello.py", search_path=str(script.parent), scripts=str(script.parent)) == "kernelsmith"


def test_the_command_of_this_process_starts_this_program(tmp_path):
    command = [*shlex.split(command_name()), "--version"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()[0]) == (0, "kernelsmith"), done.stderr


def test_suggested_commands_name_the_script_of_an_environment_that_is_not_active(tmp_path):
    script = _script(tmp_path / ".venv" / "bin")
    script.write_text(f"#!{sys.executable}\nfrom kernelsmith.cli import main\nmain()\n")
    shutil.copy(DATABASES / "v4.db", tmp_path / "log.db")
    command = [str(script), "diff", "recorded:1", "recorded:2", "--db", "log.db"]
    variables = os.environ | {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ": .venv/bin/kernelsmith duel cpu_matmul recorded:1 recorded:2 --db log.db\n" in done.stdout
