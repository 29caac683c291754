"""Choose the database (the attempt log) that a command reads and writes."""

from pathlib import Path

from kernelsmith import paths


def database(option: str | Path | None) -> str | Path:
    """Return the database to use: `option`, the file or URL that `--db` names, or `runs/attempts.db` in the working
    directory if `option` is None.
    """
    return option or paths.default_database()
