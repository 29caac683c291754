"""What comes out of a build, whatever the language: an artifact with its facts, or the reason why there is none."""

from dataclasses import dataclass
from pathlib import Path

from harness.wire import messages as wire


@dataclass(frozen=True, slots=True)
class Built:
    """A candidate that compiled."""

    artifact: Path
    """A shared object, or a folder: in the cache, once store.py has put it there."""
    facts: wire.Facts
    seconds: float
    """What the build took when it was made."""
    cached: bool = False
    is_inspected: bool = True
    """Whether the facts hold what the machine code tells; where it is False, inspection.py finds it."""


@dataclass(frozen=True, slots=True)
class BuildFailure:
    """A candidate that did not."""

    detail: str
    """The first error with its line, at most 2,000 characters, without control characters or paths of ours."""
    seconds: float
    status: str = "build_failed"
    """Or `rejected`: what the source asks for is not run here at all."""
