"""An attempt: what was asked, what was proposed, what the harness found."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kernelsmith.core.candidate import Candidate
from kernelsmith.core.verdict import Verdict


class Stance(StrEnum):
    """The rungs of the plateau ladder: what kind of step is asked for next."""

    OPEN = "open"
    """Nothing has passed yet and there is nothing to repair: write the first kernel."""
    REPAIR = "repair"
    """The latest kernel fails: make it pass."""
    REFINE = "refine"
    """Improve the incumbent in small steps."""
    DIAGNOSE = "diagnose"
    """Name the bottleneck before changing anything."""
    RESTRUCTURE = "restructure"
    """Change the algorithm or the data flow, not the constants."""
    REVIVE = "revive"
    """Take up an earlier, different line that was dropped."""
    RESTART = "restart"
    """Begin anew from the skeleton, with the lessons and without the code."""


class Origin(StrEnum):
    """Where a candidate comes from."""

    SKELETON = "skeleton"
    GIVEN = "given"
    """`run --from FILE`."""
    MODEL = "model"
    TUNER = "tuner"
    FOLDER = "folder"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Directive:
    """What the strategy asks for next; a pure function of history, config and seed."""

    stance: Stance
    parent: int | None = None
    """Number of the attempt to start from; None = the skeleton, or from scratch."""
    reason: str = ""
    """Why this stance, in words for log and prompt: `no duel won for 8 attempts`."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A directive with its number; on disk before anybody answers it. An ask without an attempt is pending."""

    number: int
    directive: Directive


@dataclass(frozen=True, slots=True)
class Proposal:
    """The answer to a directive: a hypothesis and a candidate, or the reason why there is none."""

    origin: Origin
    hypothesis: str
    candidate: Candidate | None
    parent: int | None = None
    reason: str = ""
    """Why there is no candidate: `no fenced block`, `the model gave up`."""

    def __post_init__(self) -> None:
        if self.candidate is None and not self.reason:
            raise ValueError("a proposal without a candidate says why")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A proposal with its verdict; its number within the run is its ask's number."""

    ask: Ask
    proposal: Proposal
    verdict: Verdict
    started_at: datetime
    """UTC."""
    seconds: float
    """Wall time from ask to verdict."""

    @property
    def number(self) -> int:
        """0 is the skeleton, or the kernel the user gave."""
        return self.ask.number

    @property
    def stance(self) -> Stance:
        """The rung it was made on."""
        return self.ask.directive.stance
