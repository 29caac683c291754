"""What goes to a terminal: results to stdout, progress and faults to stderr, nobody's control characters to either.

It knows nothing of runs or attempts.
"""

import json
import shutil
import sys
from datetime import datetime
from typing import Any

import typer

from kernelsmith.core import caps
from kernelsmith.report.text import one_line, visible


def result(text: str) -> None:
    """A result, on stdout: its lines as they are, and nobody's control characters."""
    typer.echo("\n".join(visible(line.expandtabs()) for line in text.split("\n")))


def result_json(data: Any) -> None:
    """A result as one JSON document on stdout; NaN is refused, since readers could not parse it."""
    text = json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False, default=_plain)
    typer.echo("\n".join(line if line.isprintable() else _json_escaped(line) for line in text.split("\n")))


def _json_escaped(line: str) -> str:
    """What JSON may hold as it is and a terminal must not, escaped: C1 controls, marks that turn a line around."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no plain data")


def progress(text: str) -> None:
    """One line of progress, on stderr; its spaces stay."""
    typer.echo(caps.cut(visible(" ".join(text[: 8 * caps.LINE].splitlines())), caps.LINE), err=True)


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
