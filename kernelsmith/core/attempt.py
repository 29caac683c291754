"""Define the types of one step of a search: an ask (a numbered request for a kernel), the proposal that answers it, its
trials (candidates to judge), and the attempts (judged trials) that the log records.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from kernelsmith.core.candidate import Candidate
from kernelsmith.core.verdict import Verdict


class Stance(StrEnum):
    """The kind of step that an ask (a numbered request for a kernel) requires from the proposer, such as `repair` (mend
    the latest kernel) or `refine` (improve the best one). The strategy chooses it, and chooses larger changes the
    longer no attempt has beaten the best kernel.
    """

    OPEN = "open"
    """Write the first kernel: nothing has passed yet, and there is nothing to repair."""
    REPAIR = "repair"
    """Make the latest kernel pass, which failed."""
    REFINE = "refine"
    """Improve the incumbent in small steps."""
    DIAGNOSE = "diagnose"
    """Name the bottleneck before changing anything."""
    RESTRUCTURE = "restructure"
    """Change the algorithm or the data flow, not the constants."""
    REVIVE = "revive"
    """Continue an earlier line of attempts that the search had left."""
    RESTART = "restart"
    """Begin again from the skeleton; the prompt keeps the lessons of past attempts and leaves their code out."""


class Origin(StrEnum):
    """The source of a proposal: the task's skeleton, a kernel that the user gave, or the part of the program that made
    the candidate (model, tuner, folder, replay).
    """

    SKELETON = "skeleton"
    GIVEN = "given"
    """The kernel of `run --from FILE`."""
    MODEL = "model"
    TUNER = "tuner"
    FOLDER = "folder"
    REPLAY = "replay"
    TOLD = "told"
    """A caller of `Session.tell` gave it."""


class NoCandidate(StrEnum):
    """The reason why a model's reply holds no candidate, such as `cut_off` (the reply reached the token limit) or
    `no_block` (it has no fenced code block). The parser of replies sets it.
    """

    CUT_OFF = "cut_off"
    WITHHELD = "withheld"
    UNENDED_BLOCK = "unended_block"
    EMPTY_BLOCK = "empty_block"
    NO_BLOCK = "no_block"
    EMPTY_REPLY = "empty_reply"

    @property
    def words(self) -> str:
        """Return the reason why a reply holds no candidate as a few words, such as `no fenced block`, which the log and
        the model's next prompt show.
        """
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
    """Requirements of an ask (a numbered request for a kernel): the stance (kind of step, such as `refine`), the number
    of the attempt whose kernel is the starting point, and the strategy's reason in words. The strategy makes it from
    the run's history.
    """

    stance: Stance
    parent: int | None = None
    """Number of the attempt to start from; None means the skeleton, or an empty file."""
    reason: str = ""
    """Reason for the stance, in words for log and prompt: `no duel won for 8 asks`."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A numbered request for a candidate. It holds its number, its directive (kind of step and attempt to start from),
    and in `seen` the highest number of an attempt that existed when it was made. The log records it before a proposer
    answers it; several asks may be open at once.
    """

    number: int
    directive: Directive
    seen: int = -1
    """The highest attempt number when the strategy made the directive; -1 means that no attempt existed."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate of a proposal, with its number in the proposal: 0 for the candidate as the proposer wrote it, 1 and
    higher for copies of its source in which marked constants (knobs) have other values.
    """

    number: int
    """0 for the proposal as written; 1 and higher for the same source with other knob values."""
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposer's answer to an ask: a candidate with a hypothesis (why it should be faster or right) and, in `sweep`,
    copies with other values of its marked constants; or, in `reason`, why there is no candidate. Raises ValueError if
    it has both a candidate and a reason or neither, or a sweep without a candidate.
    """

    origin: Origin
    hypothesis: str
    """The proposer's reason to expect that the candidate is faster or right, in the proposer's words."""
    candidate: Candidate | None
    parent: int | None = None
    """Number of the attempt that the candidate was made from; None if it was made from no attempt."""
    reason: NoCandidate | None = None
    """Present exactly when `candidate` is None."""
    said: str = ""
    """The beginning of a reply that holds no candidate, as the proposer wrote it."""
    sweep: tuple[Candidate, ...] = ()
    """Further candidates to judge for the same ask: the same source with other knob values."""

    def __post_init__(self) -> None:
        if (self.candidate is None) != (self.reason is not None):
            raise ValueError(f"a proposal with candidate {self.candidate} and reason {self.reason}")
        if self.sweep and self.candidate is None:
            raise ValueError("a sweep without the candidate whose knobs it varies")

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Return the candidates of the proposal as a tuple of Trial, in the order in which the harness judges them:
        first the candidate as the proposer wrote it, then the copies in `sweep`. The tuple is empty if the proposal has
        no candidate.
        """
        written = (self.candidate,) if self.candidate else ()
        return tuple(Trial(number, candidate) for number, candidate in enumerate((*written, *self.sweep)))

    @property
    def why_empty(self) -> str:
        """Return why there is no candidate as one text: the reason in words, followed by the beginning of the
        proposer's reply if the proposal holds it. Return an empty string if there is a candidate.
        """
        return ": ".join(part for part in (self.reason.words, self.said) if part) if self.reason else ""

    def of(self, trial: Trial) -> "Proposal":
        """Return a copy of the proposal that holds only the candidate of `trial`, one of its trials, and no sweep. The
        attempt that records the verdict on that trial holds this copy.
        """
        return replace(self, candidate=trial.candidate, sweep=())


@dataclass(frozen=True, slots=True)
class Attempt:
    """One candidate with its verdict, as the log keeps it: attempt number, ask and proposal that it belongs to, time,
    seconds, device, and its line (chain of attempts). The session makes one for each judged trial, and one with the
    status `no_candidate` for a proposal without a candidate.
    """

    number: int
    """Position in the order of recording, from 0; attempt 0 is the skeleton, or the kernel that the user gave."""
    ask: Ask
    """The ask that the attempt answers."""
    trial: int
    """Number of the trial within the ask's proposal, from 0."""
    proposal: Proposal
    verdict: Verdict
    started_at: datetime
    """When the ask was made, in UTC."""
    seconds: float
    """Wall time from ask to verdict; for a trial after the first, from the verdict of the trial before it."""
    line: int = 0
    """Number of the first attempt of the line, the chain of attempts that descend from one opening or restructuring."""
    card: str = ""
    """Name of the device that judged the candidate; empty if nothing was judged."""

    @property
    def ask_number(self) -> int:
        """Return the number of the ask that the attempt answers."""
        return self.ask.number

    @property
    def candidate(self) -> Candidate | None:
        """Return the candidate that was judged, or None if the proposal held none and nothing was judged."""
        return self.proposal.candidate

    @property
    def stance(self) -> Stance:
        """Return the stance of the ask that the attempt answers: the kind of step, such as `refine` or `repair`."""
        return self.ask.directive.stance
