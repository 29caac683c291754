"""Text from outside made fit for a prompt: no control characters, a known size, and marks that tell it from ours.

Candidates, compilers and models write this text. A comment in a kernel must not look like an instruction of ours.
"""

import hashlib
import math
import re
import unicodedata

from kernelsmith.core.usage import BYTES_PER_TOKEN

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor moves
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # titles, links, device strings
    r"|\x1b[ -/]*[0-~]"
    r"|\x9b[0-?]*[ -/]*[@-~]",
    re.DOTALL,
)
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Control, format (bidirectional and zero-width marks), surrogate, private, unassigned, other ends of lines."""

_ASCII_CONTROL = dict.fromkeys([*range(32), 127]) | {9: "\t", 10: "\n"}


def clean(text: str) -> str:
    """Return the text without terminal escapes and invisible characters; line ends and tabs stay."""
    plain = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    if plain.isascii():
        return plain.translate(_ASCII_CONTROL)
    return "".join(c for c in plain if c in "\n\t" or unicodedata.category(c) not in _UNSEEN)


def one_line(text: str, size: int) -> str:
    """Return the text cleaned and on one line of at most `size` characters, with single spaces."""
    # the start decides: a detail may hold 20 KB, and a prompt holds a thousand details
    line = " ".join(clean(text[: 8 * size]).split())
    return line if len(line) <= size else line[: max(size - 3, 0)] + "..."


def tokens(text: str) -> int:
    """Return an estimate of the tokens that a text takes; it errs on the high side."""
    return math.ceil(len(text.encode()) / BYTES_PER_TOKEN)


def clip(text: str, limit: int) -> str:
    """Return the text in about `limit` tokens: a longer one loses its middle, and says how many bytes."""
    if tokens(text) <= limit:
        return text
    half = max(limit * BYTES_PER_TOKEN - 60, 0) // 2
    raw = text.encode()
    head, tail = (part.decode(errors="ignore") for part in (raw[:half], raw[len(raw) - half :]))
    return f"{head}\n[... {len(raw) - 2 * half} bytes left out ...]\n{tail}"


def quoted(text: str, what: str) -> str:
    """Return the text cleaned, between marks that hold a digest of it, so that the text cannot forge them."""
    body = clean(text).strip("\n")
    mark = "data-" + hashlib.sha256(body.encode()).hexdigest()[:12]
    return f'<{mark} what="{what}">\n{body}\n</{mark}>'
