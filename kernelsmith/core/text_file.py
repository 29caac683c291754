"""Read a text or TOML file that the user names; a file that cannot be read is reported in one line."""

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from kernelsmith.core import caps
from kernelsmith.errors import UsageError

MOST_DOTS = 1_000
"""Largest number of dots in a line of TOML: tomllib needs half a minute for a key of 50,000 dotted parts."""


def read_text(
    path: Path, *, fault: type[UsageError] = UsageError, remedy: str = "", most_bytes: int = caps.FILE_BYTES
) -> str:
    """Return the content of the UTF-8 text file at `path`, with every line end as `\\n`. Raises `fault`, UsageError or
    a class derived from it, with one line that names the path, if the file is missing, unreadable, larger than
    `most_bytes`, or not UTF-8. `remedy`, a text that says what to do, is appended to that line,
    except if the file is not UTF-8.
    """
    try:
        content = _content(path, most_bytes)
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        raise fault(f"{shown(path)}: {getattr(error, 'strerror', None) or error}{remedy}") from error
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise fault(f"{shown(path)}: not UTF-8 text") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_toml(path: Path, *, fault: type[UsageError], remedy: str = "") -> dict[str, Any]:
    """Return the content of a TOML file as a dict of nested tables. Raises `fault`, a class of exceptions, with one
    line that names the path, if the file cannot be read or is not valid TOML. `remedy`, a text that says what to do, is
    added to the line if the file cannot be read.
    """
    text = read_text(path, fault=fault, remedy=remedy, most_bytes=caps.TOML_BYTES)
    if any(line.count(".") > MOST_DOTS for line in text.split("\n")):
        raise fault(f"{shown(path)}: not read: a line with more than {MOST_DOTS:,} dots")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise fault(f"{shown(path)}: not valid TOML: nested too deeply") from error
    except ValueError as error:  # a syntax error, or a number of 5,000 digits
        raise fault(f"{shown(path)}: not valid TOML: {caps.cut(ascii(str(error))[1:-1], caps.NAME)}") from error


def shown(path: Path | str) -> str:
    """Return `path` as one line of printable text for a message: characters that cannot be printed are escaped, and a
    path of more than 1,000 characters is cut.
    """
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return caps.cut("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text), caps.PATH)


def _content(path: Path, most_bytes: int) -> bytes:
    # O_NONBLOCK, because opening a named pipe would block.
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "not a file")
        if status.st_size > most_bytes:
            raise OSError(0, f"larger than {most_bytes >> 10:,} KiB")
        return file.read(most_bytes)
