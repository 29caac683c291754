"""The seams of the program: what its parts need from one another, as protocols with as few methods as will do.

Session     what a run offers to the loop, to a proposer's caller and to an agent; app/session.py implements it
Strategy    history -> directive
Proposer    ask -> proposal
Harness     candidate -> verdict
AttemptLog  everything that is kept
Observer    what is shown of a run while it goes on
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
"""Is given a stage of the harness's work and the step of it, or an empty text where the stage begins."""
PROPOSING = "proposing"
"""The stage in which a proposer answers an ask."""
WAITING = "waiting"
"""The stage in which a run waits for a device that another process holds, or for an endpoint that fails.

Its step says for what, and reads on from the stage: `waiting` `for core 1, held by run night, pid 4711`.
"""


class ReceiptState(StrEnum):
    """What became of an answer that was handed in."""

    JUDGED = "judged"
    """The attempt is in the log with its verdict."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a session returns for an answer."""

    ask: int
    """The ask's number."""
    trial: int
    state: ReceiptState
    attempt: int
    """The number of the attempt that the answer became."""


class Session(Protocol):
    """A run that is open in a process. Every method raises LogError; what a method wrote is on disk when it returns."""

    def history(self) -> History:
        """Return the run as it stands."""
        ...

    def stopped(self) -> bool:
        """Return whether the user asked to end after the attempt in flight."""
        ...

    def ask(self) -> Ask:
        """Return the oldest open ask; where none is open, write down the strategy's next one."""
        ...

    def prompt(self, ask: Ask) -> str:
        """Return what a model is told for an ask."""
        ...

    def answer(self, ask: Ask, proposal: Proposal) -> None:
        """Judge every trial of a proposal that has no verdict yet, and record each verdict.

        Raises:
            HarnessError: the harness failed; the ask stays open.
        """
        ...

    def tell(self, ask: Ask, *, hypothesis: str, source: str, parent: int | None = None) -> Receipt:
        """Answer an ask with a source in the task's first language. Raises HarnessError as `answer` does."""
        ...

    def note(self, kind: EventKind, ask: Ask | None = None, **data: object) -> None:
        """Write down an event."""
        ...


class Strategy(Protocol):
    """Decides what to ask for; pure: the same history and number give the same directive."""

    def ask(self, history: History, ask_number: int) -> Directive:
        """Return the directive for the ask with this number."""
        ...


class Proposer(Protocol):
    """Turns an ask into a proposal. Raises ModelError (endpoint), Exhausted, or UsageError (a file is no kernel)."""

    def propose(self, ask: Ask, history: History) -> Proposal:
        """Return a candidate, or none with the reason. `history` is what the ask's directive was made from."""
        ...


class Harness(Protocol):
    """The agent's side of the process boundary. It raises HarnessError, never for a candidate's fault."""

    def open(self) -> Device:
        """Start the judge, calibrate for the task, and return what it measures on."""
        ...

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        """Begin to build what may be judged next, where that disturbs nobody; a hint and nothing else."""
        ...

    def submit(self, candidate: Candidate, incumbent: Opponent | None) -> Future[Verdict]:
        """Judge a candidate; a contender within noise of the incumbent, or better, duels with it."""
        ...


class Exchanges(Protocol):
    """Where the model calls of a run are kept. Raises LogError."""

    def exchanges(self, ask_number: int) -> tuple[Exchange, ...]:
        """Return the calls made for this ask so far, oldest first: a resumed run finds its paid reply here."""
        ...

    def keep(self, exchange: Exchange) -> None:
        """Write down a call; it is on disk when this returns."""
        ...


class AttemptLog(Protocol):
    """The only state. Every method raises LogError; what a method wrote is on disk when it returns."""

    def history(self, run: Run) -> History:
        """Return the run as it stands, with what other processes have written."""
        ...

    def ask(self, run: Run, directive: Directive, *events: Event) -> Ask:
        """Write down the next ask, and the events that led to it, in one transaction."""
        ...

    def record(self, run: Run, attempt: Attempt, *events: Event) -> None:
        """Write down a verdict, once per ask and trial, and the events that follow from it, in one transaction."""
        ...

    def note(self, run: Run, event: Event) -> None:
        """Write down an event."""
        ...


class Observer(Protocol):
    """Shows a run while it goes on. It is called after a step is on disk, and never fails the run."""

    def history(self, history: History) -> None:
        """Show the run as it stands."""
        ...

    def asked(self, ask: Ask) -> None:
        """Show the next directive."""
        ...

    def attempted(self, attempt: Attempt) -> None:
        """Show an attempt with its verdict."""
        ...

    def stage(self, stage: str, step: str = "") -> None:
        """Show what the harness does now: a stage of its work, and which step of it where the stage is long.

        A stage begins with an empty step; its steps follow. May be called from another thread.
        """
        ...

    def say(self, text: str) -> None:
        """Show one line that is no attempt."""
        ...
