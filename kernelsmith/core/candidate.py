"""Define a candidate: the source text of a kernel with its language, identified by a digest."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property


class Language(StrEnum):
    """The language of a candidate: C, CUDA C++ or Triton. It decides which compiler builds the candidate and which
    worker process runs it.
    """

    C = "c"
    CUDA = "cuda"
    TRITON = "triton"

    @property
    def suffix(self) -> str:
        """Return the ending of a source file's name, with the dot: `.c`, `.cu` or `.py`."""
        return {Language.C: ".c", Language.CUDA: ".cu", Language.TRITON: ".py"}[self]

    @property
    def comment(self) -> str:
        """Return the characters that begin a line comment: `#` or `//`."""
        return "#" if self is Language.TRITON else "//"


@dataclass(frozen=True)
class Candidate:
    """A kernel that a proposer offers for judging: source text, language, and `params`, the values of the constants
    from which the source was made (such as the tuner's choice). The digest leaves `params` out, because the values are
    part of the source.
    """

    source: str
    language: Language
    params: Mapping[str, int | float | str] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 sum of language and source as 64 hexadecimal digits. Candidates with equal digests are the
        same kernel; `params` does not count.
        """
        return source_digest(self.source.encode(), language=self.language)


def source_digest(source: bytes, *, language: Language) -> str:
    """Return the SHA-256 sum of a kernel's `language` and `source` (its text as UTF-8 bytes), 64 hexadecimal digits.
    The harness computes the same digest from the file that it judges, so that the agent can compare them.
    """
    return hashlib.sha256(language.value.encode() + b"\0" + source).hexdigest()
