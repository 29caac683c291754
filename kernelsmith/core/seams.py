"""The protocols through which the parts of the agent use one another, so that each part can be replaced in tests.

Session     the open run, for the loop and for callers that answer asks; app/session.py implements it
Strategy    computes the next directive from the history
Proposer    answers an ask with a proposal
Harness     judges candidates and returns verdicts
Exchanges   keeps the model calls of one run
AttemptLog  keeps everything that is known of runs
Observer    shows a run while it goes on
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from kernelsmith.core.attempt import Ask, Attempt, Directive, Proposal
from kernelsmith.core.candidate import Candidate
from kernelsmith.core.history import History, Opponent
from kernelsmith.core.run import Device, Event, EventKind, Run
from kernelsmith.core.usage import Exchange
from kernelsmith.core.verdict import Verdict

OnProgress = Callable[[str, str], None]
"""A function that receives a stage of the harness's work and a step of it; the step is empty when a stage begins."""
PROPOSING = "proposing"
"""The stage in which a proposer answers an ask."""
WAITING = "waiting"
"""The stage in which a run waits for a device that another process holds, or for an endpoint that fails.

Its step says for what, and reads on from the stage: `waiting` `for core 1, held by run night, pid 4711`.
"""


class ReceiptState(StrEnum):
    """The state of an answer that a session has received."""

    JUDGED = "judged"
    """The attempt is in the log with its verdict."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A session's confirmation of an answer: which attempt the answer became."""

    ask: int
    """Number of the ask that was answered."""
    trial: int
    """Number of the trial within the ask, from 0."""
    state: ReceiptState
    attempt: int
    """Number of the attempt that records the answer."""


class Session(Protocol):
    """A run that is open in this process: makes asks, judges answers and records both.

    Every method raises LogError if the log cannot be read or written. What a method wrote is on disk when it returns.
    """

    def history(self) -> History:
        """Return the run with everything that is recorded of it up to now."""
        ...

    def stopped(self) -> bool:
        """Return whether the user asked to end the run after the current attempt."""
        ...

    def ask(self) -> Ask:
        """Return the oldest open ask. If no ask is open, let the strategy make the next one and record it."""
        ...

    def prompt(self, ask: Ask) -> str:
        """Return the text that a model receives for an ask."""
        ...

    def answer(self, ask: Ask, proposal: Proposal) -> None:
        """Judge every trial of a proposal that has no verdict yet, and record the verdicts as attempts of the ask.

        Raises:
            HarnessError: if the harness failed; the ask stays open.
        """
        ...

    def tell(self, ask: Ask, *, hypothesis: str, source: str, parent: int | None = None) -> Receipt:
        """Answer an ask with source text in the task's first language; judge it and return the receipt.

        `parent` is the number of the attempt that the source was made from. Raises HarnessError if the harness failed.
        """
        ...

    def note(self, kind: EventKind, ask: Ask | None = None, **data: object) -> None:
        """Record an event with its data, for the whole run or for one ask."""
        ...


class Strategy(Protocol):
    """Chooses the directive of each ask; the same history and number always give the same directive."""

    def ask(self, history: History, ask_number: int) -> Directive:
        """Return the directive for the ask with this number, chosen from the history before the ask."""
        ...


class Proposer(Protocol):
    """Answers asks: a language model, the tuner, a folder of files, or a recorded run."""

    def propose(self, ask: Ask, history: History) -> Proposal:
        """Return a proposal with a candidate, or with the reason why there is none.

        `history` is the history from which the ask's directive was made.

        Raises:
            ModelError: if the model's endpoint failed.
            Exhausted: if the proposer has no further candidate.
            UsageError: if a file of the user's is no candidate.
        """
        ...


class Harness(Protocol):
    """A judge of one task's candidates. Methods raise HarnessError if the judge fails; a bad candidate is a verdict."""

    def open(self) -> Device:
        """Start the judge, calibrate it for the task, and return the device with the calibrated constants."""
        ...

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        """Start to build candidates that may be judged next, if this disturbs no measurement. It may do nothing."""
        ...

    def submit(self, candidate: Candidate, incumbent: Opponent | None) -> Future[Verdict]:
        """Judge a candidate and return the future of its verdict.

        A candidate that passed is compared with the incumbent: if its time is near or below the incumbent's, they fight
        a duel. `incumbent` None means that no candidate has passed before.
        """
        ...


class Exchanges(Protocol):
    """The recorded model calls of one run. Methods raise LogError if the log cannot be read or written."""

    def exchanges(self, ask_number: int) -> tuple[Exchange, ...]:
        """Return the recorded calls for an ask, oldest first; a resumed run reuses a reply that was paid for."""
        ...

    def keep(self, exchange: Exchange) -> None:
        """Record a model call; the call is on disk when this method returns."""
        ...


class AttemptLog(Protocol):
    """The log of all runs, which holds everything that a run needs to go on after its process ended.

    Every method raises LogError if the log cannot be read or written. What a method wrote is on disk when it returns.
    """

    def history(self, run: Run) -> History:
        """Return a run with everything that is recorded of it, by this process or by others."""
        ...

    def ask(self, run: Run, directive: Directive, *events: Event) -> Ask:
        """Record the next ask of a run together with the events that led to it, in one transaction; return the ask."""
        ...

    def record(self, run: Run, attempt: Attempt, *events: Event) -> None:
        """Record an attempt together with the events that follow from it, in one transaction.

        Raises LogError if the ask already has an attempt for this trial.
        """
        ...

    def note(self, run: Run, event: Event) -> None:
        """Record an event."""
        ...


class Observer(Protocol):
    """Shows a run while it goes on. Each method is called after a step is on disk, and must not raise."""

    def history(self, history: History) -> None:
        """Show the run with everything that is recorded up to now."""
        ...

    def asked(self, ask: Ask) -> None:
        """Show a new ask with its directive."""
        ...

    def attempted(self, attempt: Attempt) -> None:
        """Show a new attempt with its verdict."""
        ...

    def stage(self, stage: str, step: str = "") -> None:
        """Show the stage of the harness's work that begins, or a step of the current stage such as `case odd, 2 of 5`.

        The step is empty when a stage begins. The method may be called from another thread.
        """
        ...

    def say(self, text: str) -> None:
        """Show one line of text, such as a warning."""
        ...
