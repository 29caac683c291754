"""Define the two results of a build in any language: Built (an artifact with facts) and BuildFailure (the reason why it
failed)."""

from dataclasses import dataclass
from pathlib import Path

from harness.wire import messages as wire


@dataclass(frozen=True, slots=True)
class Built:
    """The result of a successful build: the path of the artifact that a worker loads, facts about its machine code, the
    seconds that building took, whether it came from the cache, and whether its facts are complete (`is_inspected`). The
    builders make it."""

    artifact: Path
    """Path of a shared object (C, CUDA) or a folder (Triton); it lies in the cache after `store.store`."""
    facts: wire.Facts
    seconds: float
    """Seconds that the build took when it was made; a build that is found in the cache keeps this figure."""
    cached: bool = False
    """True: the build comes from the cache. False: the compiler ran."""
    is_inspected: bool = True
    """True: `facts` hold everything that the machine code shows. False: `compiling/inspection.py` can add the rest."""


@dataclass(frozen=True, slots=True)
class BuildFailure:
    """The result of a build that failed: the first error in words (`detail`), the seconds that it took, and the status
    of the verdict, `build_failed` or `rejected`."""

    detail: str
    """The first error with its line: at most 2,000 characters, without control characters and paths of the machine."""
    seconds: float
    status: str = "build_failed"
    """`build_failed`, or `rejected` if the source asks for something that is not supported at all."""
