"""Makes text safe to send to the agent (the program that searches for kernels): removes control characters and shortens
it.

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
    """Return `untrusted` without control characters, except line feeds and tabs, cut to `size` characters. A text that
    was cut ends in " [...]".
    """
    clean = "".join(c for c in untrusted[: 2 * size] if c.isprintable() or c in "\n\t")
    return clean if len(clean) <= size else clean[: size - len(_CUT)] + _CUT


def shown(value: object) -> str:
    """Return any JSON value as text that an error message can quote: ASCII, at most 80 characters. An object or array
    is not printed but only named, `a JSON object`.
    """
    if isinstance(value, dict | list):  # may be nested too deeply to print
        return f"a JSON {'object' if isinstance(value, dict) else 'array'}"
    return text(ascii(value), MAX_SHOWN)
