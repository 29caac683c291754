"""What every use pays at the start: `--help` loads nothing heavy and lists exactly what exists."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

HEAVY = ("pydantic", "annotated_types", "sqlalchemy", "openai", "optuna", "numpy", "jinja2", "rich")
COMMANDS = [
    "run", "resume", "runs", "show", "best", "judge", "duel", "diff", "replay", "tasks", "doctor", "selftest",
    "migrate",
]  # fmt: skip


def test_help_imports_none_of_the_heavy_libraries(environment):
    code = "import sys; sys.argv = ['kernelsmith', '--help']; from kernelsmith.cli import main; main()"
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    imported = set(re.findall(r"\|\s+(\w+)$", done.stderr, re.MULTILINE))
    assert "typer" in imported
    assert not imported & set(HEAVY)


READS = """
import sys
from kernelsmith.cli.app import run_command
code = run_command(sys.argv[1:])
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""
LOG = ROOT / "tests" / "log" / "databases" / "v4.db"
READING = [
    "runs", "runs --json", "show recorded", "show recorded --json", "show recorded:2", "show recorded:2 --json",
    "best recorded", "best recorded --json", "diff recorded recorded", "diff recorded:1 recorded:2", "replay recorded",
    "replay recorded --json",
]  # fmt: skip


@pytest.mark.parametrize("command", READING)
def test_a_reading_command_imports_none_of_the_heavy_libraries(environment, tmp_path, command):
    log = shutil.copy(LOG, tmp_path)  # SQLite keeps files beside a log that it reads
    arguments = [sys.executable, "-c", READS, *command.split(), "--db", log]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, bool(done.stdout)) == (0, True), done.stderr
    imported = set(done.stderr.split())
    assert "kernelsmith.log.reader" in imported
    assert not imported & set(HEAVY)


def test_help_lists_every_command_and_no_other(cli):
    listed = re.findall(r"^  (\w+)  ", cli("--help").stdout.partition("Commands:")[2], re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS)


def test_without_arguments_the_help_is_the_result(cli):
    done = cli()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == cli("--help").stdout


def test_every_command_has_help(cli):
    for command in COMMANDS:
        done = cli(command, "--help")
        assert done.returncode == 0
        assert f"kernelsmith {command}" in done.stdout


def test_the_version_is_the_release_with_a_digest_of_the_source(cli):
    from kernelsmith import __version__

    said = cli("--version").stdout
    assert re.fullmatch(rf"kernelsmith {re.escape(__version__)}\+[0-9a-f]{{12}}\n", said)


@pytest.fixture
def uninstalled(tmp_path) -> list[str]:
    """What PYTHONPATH holds in a checkout that was never installed: a copy of it, and the packages it needs."""
    checkout, packages = tmp_path / "checkout", tmp_path / "packages"
    for name in ("kernelsmith", "harness", "templates", "tasks"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    packages.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "kernelsmith" not in entry.name:
            (packages / entry.name).symlink_to(entry)
    return [str(checkout), str(packages)]


def test_the_program_runs_from_a_checkout_that_was_never_installed(uninstalled, environment, tmp_path):
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        # -S: the interpreter reads no site-packages of its own, where kernelsmith may be installed.
        command = [sys.executable, "-S", *arguments]
        variables = environment | {"PYTHONPATH": os.pathsep.join(uninstalled)}
        return subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)

    asked = "import kernelsmith, importlib.metadata as m; print(kernelsmith.__file__); m.version('kernelsmith')"
    imported = run("-c", asked)
    assert imported.stdout.startswith(uninstalled[0])
    assert "PackageNotFoundError" in imported.stderr, "kernelsmith is installed there"
    version = run("-m", "kernelsmith.cli", "--version")
    assert (version.returncode, version.stderr) == (0, "")
    assert version.stdout.startswith("kernelsmith ")
    assert "cpu_matmul" in run("-m", "kernelsmith.cli", "tasks").stdout


def test_attempts_are_asks_in_the_help(cli):
    for command in ("run", "resume"):
        said = " ".join(cli(command, "--help").stdout.split())
        assert re.search(r"--attempts N [^-]*\basks\b", said), said
