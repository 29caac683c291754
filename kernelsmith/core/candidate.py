"""A candidate: the source text of a kernel with its language, identified by a digest."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property


class Language(StrEnum):
    """The language of a candidate, which decides how it is built and which worker runs it."""

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
    """A kernel that a proposer offers: source text and language.

    `params` says how the source was made, such as the tuner's family and knob values. The values are already part of
    the source, so the digest leaves `params` out.
    """

    source: str
    language: Language
    params: Mapping[str, int | float | str] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 sum of language and source in hexadecimal; equal digests mean the same kernel."""
        return source_digest(self.source.encode(), language=self.language)


def source_digest(source: bytes, *, language: Language) -> str:
    """Return the digest of a kernel from the bytes of its source, as the harness computes it from the file it reads."""
    return hashlib.sha256(language.value.encode() + b"\0" + source).hexdigest()
