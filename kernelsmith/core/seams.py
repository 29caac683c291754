"""Define the protocols through which the parts of the agent use one another, so that tests can replace each part.

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
    """The state of an answer that a caller gave to a session with `tell`. The only state is `judged`, because `tell`
    returns after the verdict is recorded.
    """

    JUDGED = "judged"
    """The attempt is in the log with its verdict."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A session's confirmation of an answer that a caller gave with `tell`: the number of the ask that it answers, the
    number of the trial (candidate within the ask), its state, and the number of the attempt that records it.
    """

    ask: int
    """Number of the ask that was answered."""
    trial: int
    """Number of the trial within the ask, from 0."""
    state: ReceiptState
    attempt: int
    """Number of the attempt that records the answer."""


class Session(Protocol):
    """A run that is open in this process. It makes asks (numbered requests for a candidate), lets the harness judge the
    answers, and records both. Every method raises LogError if the log cannot be read or written; what a method wrote is
    on disk when it returns.
    """

    def history(self) -> History:
        """Return the run with everything that the log holds of it now: asks, attempts, events, costs. Raises LogError
        if the log cannot be read.
        """
        ...

    def stopped(self) -> bool:
        """Return whether the user asked to end the run after the current attempt, for example with Ctrl-C. Raises
        nothing.
        """
        ...

    def ask(self) -> Ask:
        """Return the oldest ask that is not fully answered. If there is none, let the strategy choose the next one,
        record it and return it. Raises LogError if the log cannot be read or written.
        """
        ...

    def prompt(self, ask: Ask) -> str:
        """Return the text that a model receives for `ask`: the task, past attempts and the request. Raises LogError if
        the log cannot be read.
        """
        ...

    def answer(self, ask: Ask, proposal: Proposal) -> None:
        """Let the harness judge every candidate of `proposal` that is not yet recorded for `ask`, and record each with
        its verdict as one attempt; return nothing. A failed candidate is a verdict and raises nothing. Raises
        UsageError if an earlier answer to the ask announced more candidates, HarnessError if the harness failed (the
        ask stays open), and LogError if the log cannot be written.
        """
        ...

    def tell(self, ask: Ask, *, hypothesis: str, source: str, parent: int | None = None) -> Receipt:
        """Answer the open `ask` with a kernel: its `source` text in the task's first language, a `hypothesis` (why it
        should be faster), and the number of the attempt that it was made from (`parent`, or None). Judge it, record it,
        and return a receipt with the attempt's number. Raises UsageError for a closed ask or an unknown parent,
        HarnessError if the harness failed, LogError if the log cannot be used.
        """
        ...

    def note(self, kind: EventKind, ask: Ask | None = None, **data: object) -> None:
        """Record an event of the kind `kind`; the keyword arguments become the event's data, values by name. `ask` is
        the ask that the event belongs to, or None for the whole run. Return nothing. Raises LogError if the log cannot
        be written.
        """
        ...


class Strategy(Protocol):
    """The protocol of the part that chooses what each ask requests: the kind of step, and the attempt to start from.
    The same history and the same ask number always give the same choice, so that a resumed run makes the choices that
    an uninterrupted one would make.
    """

    def ask(self, history: History, ask_number: int) -> Directive:
        """Return the directive for the ask number `ask_number`: stance (kind of step), attempt to start from, and
        reason in words. `history` is the run as it was before that ask. Records nothing and raises nothing.
        """
        ...


class Proposer(Protocol):
    """The protocol of the part that answers asks with candidates: a language model, the tuner, a folder of files, or a
    recorded run.
    """

    def propose(self, ask: Ask, history: History) -> Proposal:
        """Return a proposal for `ask`: a candidate, or the reason why there is none. `history` is the run as it was
        when the ask was made. Raises ModelError if the model's endpoint failed, Exhausted if no candidate is left,
        Stopped if the user ended a wait, UsageError if a file is no candidate, LogError if the log cannot be used.
        """
        ...


class Harness(Protocol):
    """The protocol of the part that judges one task's candidates, in a process of its own (the judge). A bad candidate
    gives a verdict, not an exception; every method raises HarnessError if the judge fails.
    """

    def open(self) -> Device:
        """Start the judge, let it measure the device's constants (peak, dispatch overhead) for the task, and return the
        device with them. Raises HarnessError if the judge fails, MachineRefusal if this machine cannot judge now, and
        TaskError if the task folder is wrong.
        """
        ...

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        """Start to build, in the background, `candidates` that may be judged next, and return at once; do nothing where
        a build would disturb a measurement. A failed build is not reported: it appears when the candidate is judged.
        Raises HarnessError if a candidate cannot be handed to the judge.
        """
        ...

    def submit(self, candidate: Candidate, incumbent: Opponent | None) -> Future[Verdict]:
        """Start to judge a candidate and return at once a future of its verdict. `incumbent` is the best kernel so far,
        or None if none has passed; a candidate that passes in about its time or less must beat it in a duel. The future
        raises HarnessError if the judge fails.
        """
        ...


class Exchanges(Protocol):
    """The protocol of a store for the model calls of one run; an Exchange is one call with prompt, reply, tokens and
    cost. `keep(exchange)` records a call, and `exchanges(ask_number)` returns the recorded calls of one ask. `keep`
    raises LogError if the log cannot be written, `exchanges` if it cannot be read.
    """

    def exchanges(self, ask_number: int) -> tuple[Exchange, ...]:
        """Return the recorded model calls that were made to answer the ask with the number `ask_number` as a tuple,
        oldest first; empty if there are none. With them a resumed run can use a reply again that was paid for. Raises
        LogError if the log cannot be read.
        """
        ...

    def keep(self, exchange: Exchange) -> None:
        """Record one model call (prompt, reply, tokens and cost) of the run; it is on disk when this method returns.
        Raises LogError if the log cannot be written.
        """
        ...


class AttemptLog(Protocol):
    """The protocol of the database of all runs, which holds everything that a run needs to go on after its process
    ended. Every method raises LogError if the database cannot be read or written; what a method wrote is on disk when
    it returns.
    """

    def history(self, run: Run) -> History:
        """Return everything that is recorded of `run` now, also by other processes: asks, attempts, events, costs.
        Raises LogError if the log cannot be read.
        """
        ...

    def ask(self, run: Run, directive: Directive, *events: Event) -> Ask:
        """Record the next ask (numbered request for a candidate) of `run` with `directive`, which says what is
        requested, and the `events` that led to it, in one transaction; return the ask with its number. Raises LogError,
        and records nothing, if the log cannot be written.
        """
        ...

    def record(self, run: Run, attempt: Attempt, *events: Event) -> None:
        """Record an attempt together with the `events` that follow from it, in one transaction. Return nothing. Raises
        LogError, and records nothing, if the log cannot be written or already holds an attempt for this ask and trial.
        """
        ...

    def note(self, run: Run, event: Event) -> None:
        """Record one event of a run. Return nothing. Raises LogError if the log cannot be written."""
        ...


class Observer(Protocol):
    """The protocol of a part that shows a run while it goes on, such as a terminal view. The session calls each method
    after a step is on disk; the methods return nothing and must not raise.
    """

    def history(self, history: History) -> None:
        """Show the run from its beginning: `history` holds everything that is recorded of it now. Must not raise."""
        ...

    def asked(self, ask: Ask) -> None:
        """Show a new ask (a numbered request for a candidate) with its directive, which says what is requested. Must
        not raise.
        """
        ...

    def attempted(self, attempt: Attempt) -> None:
        """Show a new attempt (a candidate with its verdict) that was just recorded. Must not raise."""
        ...

    def stage(self, stage: str, step: str = "") -> None:
        """Show that the harness has begun a stage of its work, such as `build`, or, if `step` is not empty, a step of
        the present stage, such as `case odd, 2 of 5`. Another thread may call this method. Must not raise.
        """
        ...

    def say(self, text: str) -> None:
        """Show one line of text for the user, such as a warning. Must not raise."""
        ...
