"""Ask, proposal, trial, attempt: what was asked, what was proposed, which candidate was judged, what was found."""

from dataclasses import dataclass, replace
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
    TOLD = "told"
    """Handed in by a caller of `Session.tell`."""


class NoCandidate(StrEnum):
    """Why a proposal holds no candidate."""

    CUT_OFF = "cut_off"
    WITHHELD = "withheld"
    UNENDED_BLOCK = "unended_block"
    EMPTY_BLOCK = "empty_block"
    NO_BLOCK = "no_block"
    EMPTY_REPLY = "empty_reply"

    @property
    def words(self) -> str:
        """The reason as a sentence fragment for the log and for the next prompt."""
        return _NO_CANDIDATE_WORDS[self]


_NO_CANDIDATE_WORDS = {
    NoCandidate.CUT_OFF: "the reply was cut off at the token limit",
    NoCandidate.WITHHELD: "the endpoint withheld the reply (content_filter)",
    NoCandidate.UNENDED_BLOCK: "the fenced block never ends",
    NoCandidate.EMPTY_BLOCK: "the fenced block is empty",
    NoCandidate.NO_BLOCK: "no fenced block",
    NoCandidate.EMPTY_REPLY: "the reply was empty",
}


@dataclass(frozen=True, slots=True)
class Directive:
    """What the strategy asks for next; a pure function of history, config and seed."""

    stance: Stance
    parent: int | None = None
    """Number of the attempt to start from; None = the skeleton, or from scratch."""
    reason: str = ""
    """Why this stance, in words for log and prompt: `no duel won for 8 asks`."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A numbered directive, on disk before anybody answers it. Several asks may be open at once."""

    number: int
    directive: Directive
    seen: int = -1
    """The highest attempt number that was known when the directive was made; -1 = there was no attempt."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate of a proposal."""

    number: int
    """0 is the proposal as written; further ones are the sweep of its knobs."""
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Proposal:
    """The answer to an ask: a hypothesis and a candidate, or the reason why there is none."""

    origin: Origin
    hypothesis: str
    candidate: Candidate | None
    parent: int | None = None
    reason: NoCandidate | None = None
    """Present exactly when there is no candidate."""
    said: str = ""
    """The beginning of an answer that holds no candidate, in the proposer's own words."""
    sweep: tuple[Candidate, ...] = ()
    """Further candidates to judge for the same ask: the same source with other values of its knobs."""

    def __post_init__(self) -> None:
        if (self.candidate is None) != (self.reason is not None):
            raise ValueError(f"a proposal with candidate {self.candidate} and reason {self.reason}")
        if self.sweep and self.candidate is None:
            raise ValueError("a sweep without the candidate whose knobs it varies")

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The candidates in the order in which they are judged; none where the proposal has no candidate."""
        written = (self.candidate,) if self.candidate else ()
        return tuple(Trial(number, candidate) for number, candidate in enumerate((*written, *self.sweep)))

    @property
    def why_empty(self) -> str:
        """Why there is no candidate, in words; empty where there is one."""
        return ": ".join(part for part in (self.reason.words, self.said) if part) if self.reason else ""

    def of(self, trial: Trial) -> "Proposal":
        """The proposal as one of its trials is recorded: with that trial's candidate alone."""
        return replace(self, candidate=trial.candidate, sweep=())


@dataclass(frozen=True, slots=True)
class Attempt:
    """A trial of an ask with its verdict."""

    number: int
    """In the order of recording, from 0: the skeleton, or the kernel the user gave."""
    ask: Ask
    trial: int
    proposal: Proposal
    verdict: Verdict
    started_at: datetime
    """UTC."""
    seconds: float
    """Wall time from ask to verdict; of a sweep trial, from the trial before it."""
    line: int = 0
    """Number of the attempt that began the line: the chain of attempts from one opening or restructuring."""
    card: str = ""
    """Name of the device that judged it; empty where nothing was judged."""

    @property
    def ask_number(self) -> int:
        """The number of the ask that it answers."""
        return self.ask.number

    @property
    def candidate(self) -> Candidate | None:
        """What was judged; None where the proposal held no candidate."""
        return self.proposal.candidate

    @property
    def stance(self) -> Stance:
        """The stance of the ask that it answers."""
        return self.ask.directive.stance
