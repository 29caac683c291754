"""Read a candidate from a file, and what its author says in the comment that opens it."""

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
    """The file as a candidate; the language follows from its ending.

    Raises:
        UsageError: there is no such text file, or its ending fits none of the languages.
    """
    language = next((known for known in languages if known.suffix == path.suffix), None)
    if language is None:
        endings = ", ".join(known.suffix for known in languages)
        raise UsageError(
            f"{shown(path)}: the ending {shown(path.suffix)!r} fits no language of the task; it takes {endings}"
        )
    return Candidate(read_text(path), language)


def stated(source: str) -> Mapping[str, str]:
    """`hypothesis` and `parent` as the leading comment states them, each with the lines that continue it.

    Of a comment that goes on and on only the beginning is read.
    """
    found: dict[str, str] = {}
    key = ""
    for text in _leading_comment(source[: caps.COMMENT]):
        if keyed := _KEYED.match(text):
            # The first one counts: a file may quote another's.
            key = keyed["key"].lower() if keyed["key"].lower() not in found else ""
            found.setdefault(keyed["key"].lower(), keyed["text"].strip())
        elif key and text.strip():
            found[key] = f"{found[key]} {text.strip()}"
        else:
            key = ""
    return found


def _leading_comment(source: str) -> list[str]:
    """The text of the comment that opens the file, line by line, without its marks."""
    texts = []
    for line in source.split("\n"):
        if not (comment := _COMMENT.match(line)):
            break
        texts.append(comment["text"].removesuffix("*/"))
    return texts
