"""Choose the database of a command."""

from pathlib import Path

from kernelsmith import paths


def database(option: str | Path | None) -> str | Path:
    """Return the database that `--db` names; without the option, `runs/attempts.db` in the working directory."""
    return option or paths.default_database()
