"""Text that is safe and straight in any terminal: control characters made visible, columns aligned.

It knows nothing of runs or attempts.
"""

from collections.abc import Sequence

from kernelsmith.core import caps


def one_line(text: str, width: int = caps.LINE) -> str:
    """Return the text on one line of at most `width` columns, white space joined and control characters made visible.

    Whatever a candidate, a compiler or a model wrote passes through here before a terminal sees it: an escape sequence
    in a compiler's message must not move the cursor.
    """
    # its beginning decides: a text of megabytes is not escaped to be thrown away
    return caps.cut(visible(" ".join(text[: 8 * width].split())), width)


def printable(text: str) -> str:
    """Return the text with its lines as they are and its control characters made visible."""
    return "\n".join(visible(line.expandtabs()) for line in text.splitlines())


def visible(line: str) -> str:
    """Return the line with its control characters as escapes."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def columns(rows: Sequence[Sequence[str]], *, width: int | None = None) -> str:
    """Return rows of equal length as aligned text; lines are cut to `width` columns where it is given.

    It does not use rich's `Table.grid`, which took 3.9 s for 5,000 rows of 7 cells (2 cores of an AMD EPYC,
    2026-11-27); `show` of 1,000 attempts may take 0.5 s in all.
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(line if width is None or len(line) <= width else line[: width - 1] + "…" for line in lines)
