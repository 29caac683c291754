"""Read a text file that the user names; a file that cannot be read, or is none, is one line."""

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from kernelsmith.core import caps
from kernelsmith.errors import UsageError

MOST_DOTS = 1_000
"""In a line of TOML: tomllib needs half a minute for a key of 50,000 parts."""


def read_text(
    path: Path, *, fault: type[UsageError] = UsageError, remedy: str = "", most_bytes: int = caps.FILE_BYTES
) -> str:
    """The file's text.

    Raises:
        UsageError: of the kind `fault`: there is no such file, it cannot be read, is too large, or is not UTF-8.
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
    """The file's table.

    Raises:
        UsageError: of the kind `fault`: it cannot be read, or is not TOML.
    """
    text = read_text(path, fault=fault, remedy=remedy, most_bytes=caps.TOML_BYTES)
    if any(line.count(".") > MOST_DOTS for line in text.split("\n")):
        raise fault(f"{shown(path)}: not read: a line with more than {MOST_DOTS:,} dots")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise fault(f"{shown(path)}: not valid TOML: nested too deeply") from error
    except ValueError as error:  # of which a fault in the syntax is one kind, a number of 5,000 digits another
        raise fault(f"{shown(path)}: not valid TOML: {caps.cut(ascii(str(error))[1:-1], caps.NAME)}") from error


def shown(path: Path | str) -> str:
    """The path in text that can be printed and stored, on one line, whatever bytes the name is made of, and capped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return caps.cut("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text), caps.PATH)


def _content(path: Path, most_bytes: int) -> bytes:
    # Not blocking: a named pipe would be waited for.
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "not a file")
        if found.st_size > most_bytes:
            raise OSError(0, f"larger than {most_bytes >> 10:,} KiB")
        return file.read(most_bytes)
