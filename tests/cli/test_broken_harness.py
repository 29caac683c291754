"""A broken harness ends a command with exit code 1 and one line; a machine that lacks something, with exit code 2."""

import shutil
import sys
from pathlib import Path

import pytest

from kernelsmith import paths

ROOT = Path(__file__).parents[2]
COMMANDS = (["run", "mine", "--name", "new"], ["resume", "own", "--attempts", "1"], ["judge", "mine", "kernel.c"])


@pytest.fixture
def broken(tmp_path) -> str:
    """An interpreter that has every package and cannot run the harness."""
    script = tmp_path / "python"
    script.write_text(
        f'#!/bin/sh\n[ "$2" = -c ] && exec {sys.executable} "$@"\necho "the harness is broken" >&2\nexit 1\n'
    )
    script.chmod(0o755)
    return str(script)


def faults(stderr: str) -> list[str]:
    """The lines that are faults; the others say what goes on."""
    return [line for line in stderr.splitlines() if line.startswith("kernelsmith: ")]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_harness_that_does_not_start_fails_the_command(cli, own, matmul_with, broken, command):
    (own.parent / "kernel.c").write_text(matmul_with("honest;"))
    done = cli(*command, "--harness-python", broken)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    (fault,) = faults(done.stderr)
    assert "the harness ended with status 1: the harness is broken" in fault
    assert "Traceback" not in done.stderr


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout whose harness is no Python."""
    for name in ("kernelsmith", "harness", "templates", "tasks"):
        shutil.copytree(ROOT / name, tmp_path / "checkout" / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "checkout" / "harness" / "__main__.py").write_text("def (\n")
    return tmp_path / "checkout"


def assert_syntax_error(done) -> None:
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    (fault,) = faults(done.stderr)
    assert "SyntaxError" in fault


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_harness_with_a_syntax_error_fails_the_command(cli, own, matmul_with, checkout, monkeypatch, command):
    (own.parent / "kernel.c").write_text(matmul_with("honest;"))
    monkeypatch.setattr(paths, "harness_folder", lambda: checkout / "harness")
    assert_syntax_error(cli(*command))


def test_a_checkout_whose_harness_has_a_syntax_error_fails_the_command(cli_process, own, checkout):
    assert_syntax_error(cli_process("resume", "own", "--attempts", "1", PYTHONPATH=str(checkout)))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_machine_without_a_compiler_is_the_user_s_to_fix(
    cli, own, matmul_with, tmp_path, quick, quick_machines, command
):
    (tmp_path / "kernel.c").write_text(matmul_with("honest;"))
    options = quick if command[0] == "run" else []
    done = cli(*command, *options, PATH=str(tmp_path), CC="")
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (fault,) = faults(done.stderr)
    assert "install gcc" in fault
