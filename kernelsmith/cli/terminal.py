"""What goes to a terminal: results to stdout, progress and faults to stderr, nobody's control characters to either.

It knows nothing of runs or attempts.
"""

import json
import shutil
import sys
from datetime import datetime
from typing import Any

import typer

from kernelsmith.report.text import one_line, visible


def result(text: str) -> None:
    """A result, on stdout."""
    typer.echo(text)


def result_json(data: Any) -> None:
    """A result as one JSON document on stdout; NaN is refused, since readers could not parse it."""
    result(json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False, default=_plain))


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no plain data")


def progress(text: str) -> None:
    """One line of progress, on stderr; its spaces stay."""
    typer.echo(visible(" ".join(text.splitlines())), err=True)


def fault(text: str) -> None:
    """The one line that an error is, on stderr."""
    progress(f"kernelsmith: {one_line(text)}")


def width() -> int | None:
    """Columns of the terminal that the result goes to; None where it goes to a file or a pipe, which get everything."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def survive_any_encoding() -> None:
    """A terminal that cannot show a character gets a question mark instead of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")
