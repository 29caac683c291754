"""Read a candidate from a source file; read its hypothesis and its parent (the number of the attempt that it was made
from) from the comment at the top of the source.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from kernelsmith.core import caps
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.text_file import read_text, shown
from kernelsmith.errors import UsageError

_COMMENT = re.compile(r"^\s*(?://+|/?\*+/?|#(?!define|include|if|pragma))\s?(?P<text>.*)$")
_KEYED = re.compile(r"^\s*(?P<key>hypothesis|parent)\s*:\s*(?P<text>.*)$", re.IGNORECASE)


def read_candidate(path: Path, languages: Sequence[Language]) -> Candidate:
    """Return the candidate whose source is the file `path`. Its language is the one of `languages`, those that the task
    permits, whose ending (`.c`, `.cu` or `.py`) the file has. Raises UsageError if the ending belongs to none of them,
    or if the file cannot be read as UTF-8 text.
    """
    language = next((known for known in languages if known.suffix == path.suffix), None)
    if language is None:
        endings = ", ".join(known.suffix for known in languages)
        raise UsageError(
            f"{shown(path)}: the ending {shown(path.suffix)!r} fits no language of the task; use {endings}"
        )
    return Candidate(read_text(path), language)


def stated(source: str) -> Mapping[str, str]:
    """Return what the comment at the top of a kernel's `source` states after `hypothesis:` and `parent:`, as a dict
    from these two words to the text after them. A word that the comment lacks is left out, so the dict is empty without
    such a comment. Only the first 20,000 characters are read.

    A value goes on over the following lines up to an empty line or the next of the two words.
    """
    values: dict[str, str] = {}
    key = ""
    for text in _leading_comment(source[: caps.COMMENT]):
        if keyed := _KEYED.match(text):
            # The first value of a key counts, because a file may quote the comment of another one below its own.
            key = keyed["key"].lower() if keyed["key"].lower() not in values else ""
            values.setdefault(keyed["key"].lower(), keyed["text"].strip())
        elif key and text.strip():
            values[key] = f"{values[key]} {text.strip()}"
        else:
            key = ""
    return values


def _leading_comment(source: str) -> list[str]:
    """Return the lines of the comment at the top of a kernel's `source`, as a list of texts without the comment marks.
    The list is empty if the first line is no comment.
    """
    texts = []
    for line in source.split("\n"):
        if not (comment := _COMMENT.match(line)):
            break
        texts.append(comment["text"].removesuffix("*/"))
    return texts
