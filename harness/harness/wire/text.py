"""Makes text safe to send: removes control characters and shortens it.

Every text that a candidate, its compiler or its machine code produced passes through this module before an answer
carries it. The agent's own limits (kernelsmith/judge_client/wire.py) are wider.
"""

MAX_TEXT = 8000
"""Characters of a detail, a note or an error message; a compiler's first error is many times shorter."""
MAX_SHOWN = 80
"""Characters of an invalid value that an error message quotes."""
MAX_NAME = 200
"""Characters of a short name: the step of a stage, or a class of instructions."""
MAX_LINES = 200
"""Number of notes, of warnings and of instruction classes in a verdict."""
_CUT = " [...]"


def text(untrusted: str, size: int = MAX_TEXT) -> str:
    """Return a text without control characters, except line feeds and tabs, shortened to `size` characters.

    A shortened text ends in " [...]".
    """
    clean = "".join(c for c in untrusted[: 2 * size] if c.isprintable() or c in "\n\t")
    return clean if len(clean) <= size else clean[: size - len(_CUT)] + _CUT


def shown(value: object) -> str:
    """Return a value from a request as an error message quotes it: in ASCII and at most `MAX_SHOWN` characters.

    Objects and arrays are only named, not printed.
    """
    if isinstance(value, dict | list):  # may be nested too deeply to print
        return f"a JSON {'object' if isinstance(value, dict) else 'array'}"
    return text(ascii(value), MAX_SHOWN)
