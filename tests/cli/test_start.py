"""What every use pays at the start: `--help` loads nothing heavy and lists exactly what exists."""

import re
import subprocess
import sys

HEAVY = ("pydantic", "sqlalchemy", "openai", "optuna", "numpy", "jinja2", "rich")
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


def test_the_version_is_the_packages(cli):
    from kernelsmith import __version__

    assert cli("--version").stdout == f"kernelsmith {__version__}\n"
