"""Text that is safe and straight in any terminal: control characters made visible, columns aligned.

It knows nothing of runs or attempts.
"""

from collections.abc import Sequence

from kernelsmith.core import caps


def one_line(text: str, width: int = caps.LINE) -> str:
    """The text on one line, its white space joined and its control characters made visible, cut to `width` columns.

    Whatever a candidate, a compiler or a model wrote passes through here before a terminal sees it: an escape sequence
    in a compiler's message must not move the cursor.
    """
    # its beginning decides: a text of megabytes is not escaped to be thrown away
    return caps.cut(visible(" ".join(text[: 8 * width].split())), width)


def printable(text: str) -> str:
    """The text with its lines as they are and its control characters made visible."""
    return "\n".join(visible(line.expandtabs()) for line in text.splitlines())


def visible(line: str) -> str:
    """The line with its control characters as escapes."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def columns(rows: Sequence[Sequence[str]], *, width: int | None = None) -> str:
    """Rows of equal length as aligned text, each cut to `width` where one is given: a pipe gets everything."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(line if width is None or len(line) <= width else line[: width - 1] + "…" for line in lines)
