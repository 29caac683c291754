"""Where a command's log is."""

from pathlib import Path

from kernelsmith import paths


def database(given: str | Path | None) -> str | Path:
    """Return the given database, or the file that holds all runs started from the working directory."""
    return given or paths.default_database()
