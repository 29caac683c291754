"""Text on its way out of the harness: printable, and no longer than its reader takes. The wire's caps stand here.

What a candidate, its compiler or its machine code says passes through here before it is put on the wire; the reader's
caps (kernelsmith/judge_client/wire.py) are wider.
"""

MAX_TEXT = 8000
"""Characters of a detail, a note, an error: many times what a compiler's first error takes."""
MAX_SHOWN = 80
"""Of a wrong value that is quoted."""
MAX_NAME = 200
"""Of a warning's kind, an instruction's class."""
MAX_LINES = 200
"""Of notes, and of warnings; classes of instructions too."""
_CUT = " [...]"


def text(said: str, size: int = MAX_TEXT) -> str:
    """Printable characters, line feeds and tabs; cut where it is longer than `size`."""
    clean = "".join(c for c in said[: 2 * size] if c.isprintable() or c in "\n\t")
    return clean if len(clean) <= size else clean[: size - len(_CUT)] + _CUT


def shown(value: object) -> str:
    """A value from outside as a message quotes it."""
    if isinstance(value, dict | list):  # may be nested deeper than can be printed
        return f"a JSON {'object' if isinstance(value, dict) else 'array'}"
    return text(ascii(value), MAX_SHOWN)
