"""Finds the first attempts in which two runs differ, and what differs: directive (the instruction of the search),
parent, candidate or verdict.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History
from kernelsmith.report.model_attempt import AttemptRow
from kernelsmith.report.model_diff import AttemptInRun, Differences, differing, source_diff

T = TypeVar("T")


class Aspect(StrEnum):
    """A part of an attempt that may differ between two runs: the directive (what the search asked for), the parent
    attempt, the candidate or the verdict.
    """

    DIRECTIVE = "directive"
    """The stance of the ask."""
    PARENT = "parent"
    """The number of the attempt that the candidate was made from."""
    CANDIDATE = "candidate"
    """Source text, language or knob values."""
    VERDICT = "verdict"
    """The status, or whether the attempt became the incumbent. Times always differ and do not count."""


@dataclass(frozen=True, slots=True)
class OfBothRuns(Generic[T]):
    """Two values of the same type: `a` belongs to the first run of a comparison, `b` to the second, for example the
    best attempt of each.
    """

    a: T
    b: T


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first two attempts, at the same position of two runs, that differ: both as rows, what differs, and the
    differences of knob values and sources. `divergence` makes it.
    """

    attempts: OfBothRuns[AttemptRow]
    aspects: tuple[Aspect, ...]
    """The part that differs, in the order in which a search makes them: directive, parent, candidate, verdict."""
    knobs: Differences
    """Knob values that differ."""
    source: tuple[str, ...]
    """The lines of a unified diff of the sources; empty if no line differs."""


def divergence(a: History, b: History) -> Divergence | None:
    """Return the first two attempts, at the same position of two runs, that differ, and what differs in them. `a` and
    `b` are everything that the log holds of the runs. Return None if one run begins with all attempts of the other.
    """
    for first, second in zip(a.attempts, b.attempts, strict=False):
        if aspects := _differing_aspects(first, second):
            return _divergence(AttemptInRun(a, first), AttemptInRun(b, second), aspects)
    return None


def digest_of(attempt: Attempt) -> str:
    """Return the SHA-256 digest of the attempt's candidate, which is equal for equal candidates, or an empty string if
    the attempt has no candidate.
    """
    return attempt.candidate.digest if attempt.candidate else ""


def _divergence(a: AttemptInRun, b: AttemptInRun, aspects: tuple[Aspect, ...]) -> Divergence:
    x, y = a.row, b.row
    return Divergence(OfBothRuns(x, y), aspects, differing(x.params, y.params), source_diff(a, b))


def _differing_aspects(a: Attempt, b: Attempt) -> tuple[Aspect, ...]:
    pairs = {
        Aspect.DIRECTIVE: (a.stance, b.stance),
        Aspect.PARENT: (a.proposal.parent, b.proposal.parent),
        Aspect.CANDIDATE: (digest_of(a), digest_of(b)),
        Aspect.VERDICT: (_outcome(a), _outcome(b)),
    }
    return tuple(aspect for aspect, (x, y) in pairs.items() if x != y)


def _outcome(attempt: Attempt) -> tuple[str, bool]:
    return attempt.verdict.status, attempt.verdict.promotion is not None
