"""Prints results on stdout, and progress and errors on stderr, with the control characters in texts of models and
candidates made harmless.

Models, candidates and endpoints write parts of these texts. This module knows nothing of runs or attempts.
"""

import shutil
import sys
from contextlib import suppress
from typing import Any

import typer

from kernelsmith.core import caps
from kernelsmith.core.seams import WAITING


def result(text: str) -> None:
    """Print a text of one or more lines on stdout. Tabs are expanded, and other control characters are replaced by
    visible escape sequences.
    """
    from kernelsmith.report.text import visible

    typer.echo("\n".join(visible(line.expandtabs()) for line in text.split("\n")))


def result_json(report: Any) -> None:
    """Print a report (a dataclass, or a list of them) as one JSON document on stdout. NaN and infinity become null,
    because JSON lacks them. Raises TypeError if a value has no JSON form.
    """
    # The standard library indents in Python: 0.5 to 1.6 s for a run of 5,000 attempts.
    from pydantic_core import to_json

    from kernelsmith.report.plain import plain

    typer.echo(_json_escaped(to_json(plain(report), indent=2, inf_nan_mode="null").decode()))


def _json_escaped(text: str) -> str:
    """Return a JSON text in which characters that a terminal would obey, such as control characters, are written as
    escape sequences; the JSON means the same.

    JSON allows DEL, C1 controls and marks that reverse a line, which a terminal would obey.
    """
    if text.isascii() and "\x7f" not in text:
        return text  # JSON itself has escaped every other control character
    return "\n".join(line if line.isprintable() else _json_line_escaped(line) for line in text.split("\n"))


def _json_line_escaped(line: str) -> str:
    import json

    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def progress(text: str) -> None:
    """Print a text on stderr as one line, cut to a maximum length, with control characters escaped. Print nothing if
    stderr is a closed pipe.
    """
    from kernelsmith.report.text import visible

    with suppress(BrokenPipeError):
        typer.echo(caps.cut(visible(" ".join(text[: 8 * caps.LINE].splitlines())), caps.LINE), err=True)


def stage(stage: str, step: str) -> None:
    """Print one line on stderr about the stage that the judge's work has reached. `step` names a step within the stage
    and follows a colon, or is empty; for the stage `waiting` it says what is awaited and follows a space.
    """
    progress(f"{stage}{' ' if stage == WAITING else ': '}{step}" if step else stage)


def fault(text: str) -> None:
    """Print an error's message on stderr, as one line that begins with `kernelsmith: `."""
    from kernelsmith.report.text import one_line

    progress(f"kernelsmith: {one_line(text)}")


def width() -> int | None:
    """Return the number of columns of the terminal at stdout, or None if stdout is a file or a pipe, which has no
    width.
    """
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def survive_any_encoding() -> None:
    """Make stdout and stderr of this process print a question mark for each character that their encoding lacks.
    Without this, printing such a character raises UnicodeEncodeError and ends the program.
    """
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")
