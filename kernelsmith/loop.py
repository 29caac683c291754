"""The loop: ask, propose, judge, write down, until the budget ends. Read this file first.

It does no I/O of its own and keeps nothing: every step is in the log before the next one starts, so a killed run goes
on where it stopped. It does not know what a model, a compiler or a terminal is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from kernelsmith.core.attempt import Ask, Attempt, Proposal
from kernelsmith.core.budget import spent
from kernelsmith.core.history import History
from kernelsmith.core.run import Event, EventKind, Run
from kernelsmith.core.seams import AttemptLog, Harness, Proposer, Strategy
from kernelsmith.core.verdict import Status, Verdict
from kernelsmith.errors import Exhausted, MachineRefusal
from kernelsmith.search.plateau import begins_a_rung, idle

MAX_JUDGINGS = 2
"""A candidate whose judging started this often without a verdict has taken the judge along each time."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run is made of; cli/run.py is the only place that puts them together."""

    strategy: Strategy
    proposer: Proposer
    harness: Harness
    log: AttemptLog
    stopped: Callable[[], bool] = lambda: False
    """True once the user asked to end after the attempt in flight."""
    foresee: Callable[[History, Ask, Proposal], None] = lambda history, ask, proposal: None
    """Told what is being judged, so that builds of what may come next can begin; nothing depends on it."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def optimize(run: Run, parts: Parts) -> History:
    """Try kernels until the budget ends or the user stops; returns the history as it then stands.

    Raises:
        UsageError: a proposer found a fault that the user can fix.
        ModelError: the endpoint failed for good; what was paid for is kept and `resume` goes on.
        HarnessError: the harness failed; likewise.
        LogError: the log could not be written; what was written before stays.
    """
    log = parts.log
    while (reason := spent(history := log.history(run))) is None and not parts.stopped():
        started = parts.now()
        ask = history.pending or _ask(history, run=run, parts=parts)
        try:
            proposal = parts.proposer.propose(ask, history)
        except Exhausted as exhausted:
            log.note(run, Event(EventKind.EXHAUSTED, parts.now(), ask.number, {"reason": str(exhausted)}))
            return log.history(run)
        verdict = _judge(proposal, ask, run=run, history=history, parts=parts)
        seconds = (parts.now() - started).total_seconds()
        attempt = Attempt(ask, proposal, verdict, started, seconds)
        log.record(run, attempt, *_consequences(attempt, parts.now()))
    log.note(run, _end(reason, parts.now()))
    return log.history(run)


def _ask(history: History, *, run: Run, parts: Parts) -> Ask:
    """The strategy's next directive, on disk; a plateau reached and a changed stance are events beside it."""
    number, at = len(history.attempts), parts.now()
    directive = parts.strategy.ask(history, number)
    before = history.attempts[-1].stance if history.attempts else None
    events = [Event(EventKind.PLATEAU, at, number, {"attempts": len(idle(history))})] if begins_a_rung(history) else []
    if directive.stance is not before:
        step = {"from": before or "", "to": directive.stance, "reason": directive.reason}
        events.append(Event(EventKind.RUNG, at, number, step))
    return parts.log.ask(run, directive, *events)


def _judge(proposal: Proposal, ask: Ask, *, run: Run, history: History, parts: Parts) -> Verdict:
    """The verdict on a proposal; the harness is asked only where it must be."""
    if proposal.candidate is None:
        return Verdict(Status.NO_CANDIDATE, proposal.reason)
    if twin := history.identical(proposal.candidate.digest):
        return Verdict(Status.REJECTED, f"identical to {twin.number}, which is {twin.verdict.status}")
    if history.judgings(ask.number) >= MAX_JUDGINGS:
        return Verdict(Status.CRASHED, f"judging started {MAX_JUDGINGS} times and never ended")
    parts.log.note(run, Event(EventKind.JUDGING, parts.now(), ask.number))
    verdict = parts.harness.submit(proposal.candidate, history.incumbent)
    parts.foresee(history, ask, proposal)
    try:
        return verdict.result()
    except MachineRefusal as refusal:
        parts.log.note(run, Event(EventKind.TROUBLE, parts.now(), ask.number, {"reason": str(refusal)}))
        raise


def _consequences(attempt: Attempt, at: datetime) -> list[Event]:
    """What the diary says beside the attempt itself."""
    verdict = attempt.verdict
    if verdict.promotion:
        return [Event(EventKind.PROMOTION, at, attempt.number, {"by": verdict.promotion})]
    if verdict.status is Status.NO_CANDIDATE:
        return [Event(EventKind.REFUSAL, at, attempt.number, {"reason": verdict.detail})]
    return []


def _end(reason: str | None, at: datetime) -> Event:
    if reason:
        return Event(EventKind.ENDED, at, data={"reason": reason})
    return Event(EventKind.PAUSED, at, data={"reason": "stopped by the user"})
