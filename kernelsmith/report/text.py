"""Formats text for a terminal: makes control characters visible, aligns columns, and fits lines to a width.

This module knows nothing of runs or attempts. Widths are numbers of characters.
"""

import textwrap
from collections.abc import Sequence

from kernelsmith.core import caps

Row = Sequence[str]
GAP = "  "
"""Text between two columns."""
LEAST = 3
"""The narrowest width that a column is shortened to."""
LEAST_WRAPPED = 24
"""The narrowest room that a long value is wrapped to, even if its lines become longer than the given width."""


def one_line(text: str, width: int = caps.LINE) -> str:
    """Return the text on one line, cut to at most `width` characters. Each run of white space becomes one space, and
    control characters become visible escape sequences.

    Text that a candidate, a compiler or a model wrote must pass through this function before a terminal shows it,
    because an escape sequence in a compiler's message could move the cursor.
    """
    # Only the beginning can be shown: a text of megabytes is not escaped to be thrown away.
    return caps.cut(visible(" ".join(text[: 8 * width].split())), width)


def printable(text: str) -> str:
    """Return a text of several lines with tabs expanded and control characters replaced by visible escape sequences;
    line breaks stay.
    """
    return "\n".join(visible(line.expandtabs()) for line in text.splitlines())


def visible(line: str) -> str:
    r"""Return the line with each control character or other unprintable character replaced by its escape sequence, such
    as `\x1b`.
    """
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def columns(rows: Sequence[Row], *, width: int | None = None) -> str:
    """Return a table as one string with one line per row; its cells are left-aligned in columns. All rows must have the
    same length. `width` is the number of characters into which every line must fit: the longest cells are shortened
    with an ellipsis. None shortens nothing.

    Rich's `Table.grid` is not used, because it took 3.9 s for 5,000 rows of 7 cells (2 cores of an AMD EPYC,
    2026-11-27), and `show` of 1,000 attempts may take 0.5 s in total.
    """
    widths = _widths(rows)
    if width is not None:
        widths = _fitted(widths, width)
        rows = [[caps.cut(cell, most) for cell, most in zip(row, widths, strict=True)] for row in rows]
    lines = (GAP.join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(line if width is None else caps.cut(line, width) for line in lines)


def entries(rows: Sequence[Row], *, width: int | None = None) -> str:
    """Return rows of equal length as one string, with their cells left-aligned in columns; nothing is shortened.
    `width` is the number of characters in a line: a last cell that does not fit goes on in the lines below, under its
    own beginning. None leaves each row on one line.
    """
    if width is None:
        return columns(rows)
    widths = _widths([row[:-1] for row in rows])
    heads = ("".join(c.ljust(w) + GAP for c, w in zip(row[:-1], widths, strict=True)) for row in rows)
    return "\n".join(_wrapped(head, row[-1], width) for head, row in zip(heads, rows, strict=True))


def _wrapped(head: str, value: str, width: int) -> str:
    """Return `head`, the aligned first cells of a row, followed by `value`, its last cell, as one string. The value is
    wrapped to lines of `width` characters in total, and its further lines are indented by the length of `head`.
    """
    room = max(width - len(head), LEAST_WRAPPED)
    lines = textwrap.wrap(value, room, break_on_hyphens=False) or [""]
    return "\n".join((head if not index else " " * len(head)) + line for index, line in enumerate(lines)).rstrip()


def _widths(rows: Sequence[Row]) -> list[int]:
    return [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]


def _fitted(widths: Sequence[int], width: int) -> list[int]:
    """Return new widths of a table's columns, as a list, so that a line fits into `width` characters: the widest
    columns are reduced to one common width, but not below LEAST characters. `widths` are the widths without a limit.
    """
    room = width - len(GAP) * (len(widths) - 1)
    most = max(widths)
    while most > LEAST and sum(min(each, most) for each in widths) > room:
        most -= 1
    fitted = [min(each, most) for each in widths]
    spare = max(room - sum(fitted), 0)
    return [*fitted[:-1], min(fitted[-1] + spare, widths[-1])]
