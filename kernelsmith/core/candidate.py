"""A candidate: source text, language and parameter values, identified by the digest of what is built."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property


class Language(StrEnum):
    """What a candidate is written in; decides the builder and the worker."""

    C = "c"
    CUDA = "cuda"
    TRITON = "triton"

    @property
    def suffix(self) -> str:
        """The file name's ending, dot included."""
        return {Language.C: ".c", Language.CUDA: ".cu", Language.TRITON: ".py"}[self]

    @property
    def comment(self) -> str:
        """What opens a line comment."""
        return "#" if self is Language.TRITON else "//"


@dataclass(frozen=True)
class Candidate:
    """A kernel somebody proposes.

    `params` names how the source came about (a tuner's family and knob values); the values are rendered into the
    source, so they do not enter the digest.
    """

    source: str
    language: Language
    params: Mapping[str, int | float | str] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of language and source, hex: two candidates with one digest are the same kernel."""
        return source_digest(self.source.encode(), language=self.language)


def source_digest(source: bytes, *, language: Language) -> str:
    """The identity of a kernel; the harness computes the same over the file it read."""
    return hashlib.sha256(language.value.encode() + b"\0" + source).hexdigest()
