"""The loop: ask, propose, judge, write down, until the budget ends. Read this file first.

It does no I/O of its own and keeps nothing: every step is in the log before the next one starts, so a killed run goes
on where it stopped. It does not know what a model, a compiler or a terminal is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from kernelsmith.core.attempt import Ask, Attempt, Proposal
from kernelsmith.core.budget import spent
from kernelsmith.core.candidate import Candidate
from kernelsmith.core.history import History
from kernelsmith.core.run import Event, EventKind, Run
from kernelsmith.core.seams import AttemptLog, Harness, Proposer, Strategy
from kernelsmith.core.verdict import Status, Verdict
from kernelsmith.errors import Exhausted

MAX_JUDGINGS = 2
"""A candidate whose judging started this often without a verdict has killed the judge each time."""

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run is made of; cli/run.py is the only place that puts them together."""

    strategy: Strategy
    proposer: Proposer
    harness: Harness
    log: AttemptLog
    stopped: Callable[[], bool] = lambda: False
    """True once the user asked to end after the attempt in flight."""
    clock: Clock = lambda: datetime.now(UTC)


def optimize(run: Run, parts: Parts) -> History:
    """Try kernels until the budget ends or the user stops; returns the history as it then stands.

    Raises:
        ModelError: the endpoint failed for good; the run is left paused and `resume` goes on.
        HarnessError: the harness failed; likewise.
        LogError: the log could not be written; what was written before stays.
    """
    log = parts.log
    while (reason := spent(history := log.history(run))) is None and not parts.stopped():
        started = parts.clock()
        ask = history.pending or log.ask(run, parts.strategy.ask(history, len(history.attempts)))
        try:
            proposal = parts.proposer.propose(ask, history)
        except Exhausted as exhausted:
            log.note(run, Event(EventKind.EXHAUSTED, parts.clock(), ask.number, {"reason": str(exhausted)}))
            return log.history(run)
        verdict = _judge(proposal, ask, run=run, history=history, parts=parts)
        seconds = (parts.clock() - started).total_seconds()
        log.record(run, Attempt(ask, proposal, verdict, started, seconds))
    end = Event(EventKind.ENDED, parts.clock(), data={"reason": reason}) if reason else _paused(parts)
    log.note(run, end)
    return log.history(run)


def _judge(proposal: Proposal, ask: Ask, *, run: Run, history: History, parts: Parts) -> Verdict:
    """The verdict on a proposal; the harness is asked only where it must be."""
    if proposal.candidate is None:
        return Verdict(Status.NO_CANDIDATE, proposal.reason)
    if twin := history.identical(proposal.candidate.digest):
        return Verdict(Status.REJECTED, f"identical to {twin.number}, which is {twin.verdict.status}")
    if history.judgings(ask.number) >= MAX_JUDGINGS:
        return Verdict(
            Status.CRASHED, f"judging started {MAX_JUDGINGS} times and never ended: it takes the judge along"
        )
    parts.log.note(run, Event(EventKind.JUDGING, parts.clock(), ask.number))
    return parts.harness.submit(proposal.candidate, _candidate(history)).result()


def _candidate(history: History) -> Candidate | None:
    return history.incumbent.proposal.candidate if history.incumbent else None


def _paused(parts: Parts) -> Event:
    return Event(EventKind.PAUSED, parts.clock(), data={"reason": "stopped by the user"})
