"""What goes to a terminal: results to stdout, progress and faults to stderr, nobody's control characters to either.

It knows nothing of runs or attempts.
"""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import typer


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
    typer.echo(_visible(" ".join(text.splitlines())), err=True)


def fault(text: str) -> None:
    """The one line that an error is, on stderr."""
    progress(f"kernelsmith: {one_line(text)}")


def one_line(text: str, width: int | None = None) -> str:
    """The text on one line, its white space joined and its control characters made visible, cut to `width` columns.

    Whatever a candidate, a compiler or a model wrote passes through here before a terminal sees it: an escape sequence
    in a compiler's message must not move the cursor.
    """
    visible = _visible(" ".join(text.split()))
    return visible if width is None or len(visible) <= width else visible[: max(width - 1, 0)] + "…"


def survive_any_encoding() -> None:
    """A terminal that cannot show a character gets a question mark instead of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of equal length as aligned text; a pipe gets the same as a terminal, and nothing is cut off."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def printable(text: str) -> str:
    """The text with its lines as they are and its control characters made visible."""
    return "\n".join(_visible(line.expandtabs()) for line in text.splitlines())


def _visible(line: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
