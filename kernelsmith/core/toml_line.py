"""Find the line of a TOML text that sets a key, for error messages about wrong keys of valid TOML files.

The standard library's parser reports a line only for invalid TOML.
"""

import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

MOST_LINES = 200
"""Longest text that is searched, in lines: the search parses every beginning of the text."""
Location = tuple[str | int, ...]
"""Keys of tables and indexes of lists from the top of the file down: `("cases", 0, "timed")`."""


def line_of(text: str, location: Location) -> int | None:
    """Return the number, from 1, of the line of the TOML `text` that sets the key at `location` (keys and list indexes
    that lead to it from the top), or that opens the nearest table if the key is missing. Return None if that is the top
    of the file, or if `text` is not TOML or has over 200 lines.
    """
    lines = text.split("\n")
    statements = list(_statements(lines)) if len(lines) <= MOST_LINES else []
    for length in range(len(location), 0, -1):
        for first, last, table in statements:
            if _holds(table, location[:length]):
                return first + _offset(lines[first - 1 : last], location[:length])
    return None


def _statements(lines: Sequence[str]) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Yield, for each statement of a TOML text given as `lines`, a tuple: the number of its first and of its last line,
    from 1, and the dict that the text parses to from the top up to this statement. Lines at the end that do not parse
    yield nothing.
    """
    first = 1
    for last in range(1, len(lines) + 1):
        try:
            table = tomllib.loads("\n".join(lines[:last]))
        except (ValueError, RecursionError):  # the statement goes on in the next line
            continue
        yield first, last, table
        first = last + 1


def _holds(table: Any, location: Location) -> bool:
    for part in location:
        if isinstance(part, int):
            if not isinstance(table, list) or part >= len(table):
                return False
        elif not isinstance(table, dict) or part not in table:
            return False
        table = table[part]
    return True


def _offset(statement: Sequence[str], location: Location) -> int:
    """Return where in a TOML `statement`, given as its lines, a list element begins: how many lines below the first
    line. The last index of `location` (keys and list indexes) selects the element. Return 0 if there is no index, or if
    the statement is no list with one element per line.
    """
    index = next((part for part in reversed(location) if isinstance(part, int)), None)
    if index is None or not statement[0].rstrip().endswith("["):
        return 0
    elements = [number for number, line in enumerate(statement) if line.lstrip().startswith(("{", '"'))]
    return elements[index] if index < len(elements) else 0
