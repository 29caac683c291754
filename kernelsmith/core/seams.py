"""The seams of the program: what the loop needs from its parts, one method each where one will do."""

from concurrent.futures import Future
from typing import Protocol

from kernelsmith.core.attempt import Ask, Attempt, Directive, Proposal
from kernelsmith.core.candidate import Candidate
from kernelsmith.core.history import History
from kernelsmith.core.run import Event, Run
from kernelsmith.core.usage import Exchange
from kernelsmith.core.verdict import Verdict


class Strategy(Protocol):
    """Decides what to ask for; pure: the same history and number give the same directive."""

    def ask(self, history: History, ask_number: int) -> Directive:
        """The directive for ask `ask_number` (equal to `len(history.attempts)`)."""
        ...


class Proposer(Protocol):
    """Turns an ask into a proposal. Raises ModelError (endpoint), Exhausted, or UsageError (a file is no kernel)."""

    def propose(self, ask: Ask, history: History) -> Proposal:
        """A candidate, or none with the reason."""
        ...


class Harness(Protocol):
    """The agent's side of the process boundary. The future raises HarnessError, never for a candidate's fault."""

    def submit(self, candidate: Candidate, incumbent: Attempt | None) -> Future[Verdict]:
        """Judge a candidate; a contender within noise of the incumbent, or better, duels with it."""
        ...


class Exchanges(Protocol):
    """Where model calls are kept. Raises LogError."""

    def exchanges(self, ask_number: int) -> tuple[Exchange, ...]:
        """The calls made for this ask so far, oldest first: a resumed run finds its paid reply here."""
        ...

    def keep(self, exchange: Exchange) -> None:
        """On disk when this returns."""
        ...


class AttemptLog(Protocol):
    """The only state. Every method raises LogError; what returned is on disk."""

    def history(self, run: Run) -> History:
        """The run as it stands."""
        ...

    def ask(self, run: Run, directive: Directive, *events: Event) -> Ask:
        """Write down what is asked for next, and what led to it, in one transaction."""
        ...

    def record(self, run: Run, attempt: Attempt, *events: Event) -> None:
        """Write down a verdict, once per ask, and what follows from it, in one transaction."""
        ...

    def note(self, run: Run, event: Event) -> None:
        """Write down an event."""
        ...
