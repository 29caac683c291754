"""The loop: ask, propose, judge, write down, until the budget ends. Read this file first.

`optimize` sees a session and a proposer and nothing else. app/session.py asks, judges and writes down; every step is in
the log before the next one starts, so a killed run goes on where it stopped. The rules below `optimize` say what a
session writes down; they are pure functions.
"""

from datetime import datetime

from kernelsmith.core.attempt import Ask, Attempt, Directive, Proposal, Trial
from kernelsmith.core.budget import spent
from kernelsmith.core.history import History
from kernelsmith.core.run import Event, EventKind, StopReason
from kernelsmith.core.seams import Proposer, Session
from kernelsmith.core.verdict import Status, Verdict
from kernelsmith.errors import Exhausted
from kernelsmith.search.plateau import begins_a_rung, idle

MAX_DEATHS = 2
"""A candidate whose judging ended this often in the death of the judge is recorded as crashed."""


def optimize(session: Session, proposer: Proposer) -> History:
    """Try kernels until the budget ends or the user stops; return the history as it then stands.

    Raises:
        UsageError: a proposer found a fault that the user can fix.
        ModelError: the endpoint failed for good; what was paid for is kept and `resume` goes on.
        HarnessError: the harness failed; likewise.
        LogError: the log could not be written; what was written before stays.
    """
    while (ending := spent(session.history())) is None and not session.stopped():
        ask = session.ask()
        try:
            proposal = proposer.propose(ask, session.history().as_seen_by(ask))
        except Exhausted as exhausted:
            session.note(EventKind.EXHAUSTED, ask, limit=StopReason.EXHAUSTED, reason=str(exhausted))
            return session.history()
        session.answer(ask, proposal)
    if ending:
        session.note(EventKind.ENDED, limit=ending.limit, reason=ending.words)
    else:
        session.note(EventKind.PAUSED, limit=StopReason.USER, reason="stopped by the user")
    return session.history()


def steps_to(directive: Directive, history: History, *, number: int, at: datetime) -> list[Event]:
    """Return the events that lead to a new ask: a plateau that was reached, and a stance that changes."""
    events, last = [], history.asks[-1] if history.asks else None
    is_first_of_this_view = last is None or last.seen < history.highest_attempt
    if begins_a_rung(history) and is_first_of_this_view:
        events.append(Event(EventKind.PLATEAU, at, number, {"attempts": len(idle(history))}))
    before = last.directive.stance if last else None
    if directive.stance is not before:
        step = {"from": before or "", "to": directive.stance, "reason": directive.reason}
        events.append(Event(EventKind.RUNG, at, number, step))
    return events


def verdict_without_judging(history: History, ask: Ask, trial: Trial) -> Verdict | None:
    """Return the verdict on a candidate that the harness need not see; None where it must be judged."""
    if twin := history.identical(trial.candidate.digest):
        return Verdict(Status.REJECTED, f"identical to {twin.number}, which is {twin.verdict.status}")
    if history.judge_deaths(ask.number, trial.number) >= MAX_DEATHS:
        return Verdict(Status.CRASHED, f"the judge died {MAX_DEATHS} times while it judged this candidate")
    return None


def verdict_on_nothing(proposal: Proposal) -> Verdict:
    """Return the verdict on a proposal without a candidate."""
    return Verdict(Status.NO_CANDIDATE, proposal.why_empty)


def consequences_of(attempt: Attempt, at: datetime) -> list[Event]:
    """Return the events that follow from an attempt."""
    verdict = attempt.verdict
    if verdict.promotion:
        return [
            Event(EventKind.PROMOTION, at, attempt.ask_number, {"by": verdict.promotion, "attempt": attempt.number})
        ]
    if verdict.status is Status.NO_CANDIDATE:
        return [Event(EventKind.REFUSAL, at, attempt.ask_number, {"reason": verdict.detail})]
    return []
