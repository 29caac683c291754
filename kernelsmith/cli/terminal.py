"""What goes to a terminal: results to stdout, progress and faults to stderr, nobody's control characters to either.

It knows nothing of runs or attempts.
"""

import shutil
import sys
from contextlib import suppress
from typing import Any

import typer

from kernelsmith.core import caps


def result(text: str) -> None:
    """Print a result on stdout: its lines as they are, and nobody's control characters."""
    from kernelsmith.report.text import visible

    typer.echo("\n".join(visible(line.expandtabs()) for line in text.split("\n")))


def result_json(report: Any) -> None:
    """Print a report as one JSON document on stdout; NaN, which readers could not parse, is null."""
    # The standard library indents in Python: 0.5 to 1.6 s for a run of 5,000 attempts.
    from pydantic_core import to_json

    from kernelsmith.report.plain import plain

    typer.echo(_json_escaped(to_json(plain(report), indent=2, inf_nan_mode="null").decode()))


def _json_escaped(text: str) -> str:
    """Return what JSON may hold as it is and a terminal must not, escaped: DEL, C1 controls, marks that turn a line."""
    if text.isascii() and "\x7f" not in text:
        return text  # JSON itself has escaped every other control character
    return "\n".join(line if line.isprintable() else _json_line_escaped(line) for line in text.split("\n"))


def _json_line_escaped(line: str) -> str:
    import json

    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def progress(text: str) -> None:
    """Print one line of progress on stderr; its spaces stay. Progress that nobody reads any more is dropped."""
    from kernelsmith.report.text import visible

    with suppress(BrokenPipeError):
        typer.echo(caps.cut(visible(" ".join(text[: 8 * caps.LINE].splitlines())), caps.LINE), err=True)


def stage(stage: str, step: str) -> None:
    """Print one line for a stage of the judge's work, or for a step of a long one."""
    progress(f"{stage}: {step}" if step else stage)


def fault(text: str) -> None:
    """Print the one line that an error is, on stderr."""
    from kernelsmith.report.text import one_line

    progress(f"kernelsmith: {one_line(text)}")


def width() -> int | None:
    """Return the columns of the terminal that the result goes to; None for a file or a pipe, which get everything."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def survive_any_encoding() -> None:
    """Let a terminal that cannot show a character show a question mark instead of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")
