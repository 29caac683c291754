"""Prepare text that candidates, compilers and models wrote for a prompt: remove control characters, limit its size, and
mark it as data.

Candidates, compilers and models write this text. A comment in a kernel must not look like an instruction of
kernelsmith.
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
"""Unicode categories that `clean` removes: control, format (bidirectional and zero-width marks), surrogate, private
use, unassigned, line separator, paragraph separator."""

_ASCII_CONTROL = dict.fromkeys([*range(32), 127]) | {9: "\t", 10: "\n"}


def clean(text: str) -> str:
    """Return the text without terminal escape sequences and invisible characters. Newlines and tabs are kept, and each
    CR LF becomes a newline.
    """
    plain = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    if plain.isascii():
        return plain.translate(_ASCII_CONTROL)
    return "".join(c for c in plain if c in "\n\t" or unicodedata.category(c) not in _UNSEEN)


def one_line(text: str, size: int) -> str:
    """Return the cleaned text as one line of at most `size` characters; a longer line is cut and ends in `...`. Every
    run of white space becomes one space.
    """
    # Only the beginning is cleaned: a detail may hold 20 KB, and a prompt holds a thousand details.
    line = " ".join(clean(text[: 8 * size]).split())
    return line if len(line) <= size else line[: max(size - 3, 0)] + "..."


def tokens(text: str) -> int:
    """Return an estimate of how many tokens a language model counts in a text, computed from its size in UTF-8 bytes.
    The estimate is usually above the real number, so that a prompt stays within its limit.
    """
    return math.ceil(len(text.encode()) / BYTES_PER_TOKEN)


def clip(text: str, limit: int) -> str:
    """Return the text cut to about `limit` tokens. A longer text keeps its beginning and end; one line in place of its
    middle states how many bytes were left out.
    """
    if tokens(text) <= limit:
        return text
    half = max(limit * BYTES_PER_TOKEN - 60, 0) // 2
    raw = text.encode()
    head, tail = (part.decode(errors="ignore") for part in (raw[:half], raw[len(raw) - half :]))
    return f"{head}\n[... {len(raw) - 2 * half} bytes left out ...]\n{tail}"


def quoted(text: str, label: str) -> str:
    """Return a text from outside (a candidate, a compiler) cleaned, between an opening and a closing mark, so that a
    model can tell this data from instructions. `label` says in the opening mark what the text is, such as `attempts`.
    The marks hold a digest of the text, so the text cannot imitate them.
    """
    body = clean(text).strip("\n")
    mark = "data-" + hashlib.sha256(body.encode()).hexdigest()[:12]
    return f'<{mark} what="{label}">\n{body}\n</{mark}>'
