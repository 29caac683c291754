"""The search loop: ask for a candidate, get a proposal, judge it and record the verdict, until the budget ends. Read
this file first.

`optimize` knows only the protocols of a session and a proposer. The session (app/session.py) judges and records: each
step is in the log before the next one starts, so a killed run goes on where it stopped. The functions below `optimize`
decide what a session records; they are pure.
"""

from datetime import datetime

from kernelsmith.core.attempt import Ask, Attempt, Directive, Proposal, Trial
from kernelsmith.core.budget import spent
from kernelsmith.core.history import History
from kernelsmith.core.run import Event, EventKind, StopReason
from kernelsmith.core.seams import Proposer, Session
from kernelsmith.core.verdict import Status, Verdict
from kernelsmith.errors import Exhausted, Stopped
from kernelsmith.search.plateau import begins_a_rung, idle

MAX_DEATHS = 2
"""A candidate is recorded as crashed once the judge's process has ended this often while it judged the candidate."""


def optimize(session: Session, proposer: Proposer) -> History:
    """Let `proposer` make candidates, and `session` (the open run) judge and record them, until the budget ends, the
    proposer has none left or the user stops; return the run's history. Raises UsageError if a proposer found a fault
    that the user can fix, ModelError if the endpoint failed for good, HarnessError if the harness failed (the ask stays
    open), and LogError if the log cannot be written. What was recorded before is kept, and `resume` goes on.
    """
    while (ending := spent(session.history())) is None and not session.stopped():
        ask = session.ask()
        try:
            proposal = proposer.propose(ask, session.history().as_seen_by(ask))
        except Exhausted as exhausted:
            session.note(EventKind.EXHAUSTED, ask, limit=StopReason.EXHAUSTED, reason=str(exhausted))
            return session.history()
        except Stopped:
            break
        session.answer(ask, proposal)
    if ending:
        session.note(EventKind.ENDED, limit=ending.limit, reason=ending.words)
    else:
        session.note(EventKind.PAUSED, limit=StopReason.USER, reason="stopped by the user")
    return session.history()


def steps_to(directive: Directive, history: History, *, number: int, at: datetime) -> list[Event]:
    """Return the events to record together with a new ask, which has `directive`, the number `number` and the UTC time
    `at`. A plateau event is included if the search has just stopped improving, and a rung event if the directive's
    stance (kind of step, such as refine or repair) differs from the previous ask's. The list is empty if neither
    applies.

    An earlier ask that was made from the same attempts has recorded the plateau already.
    """
    events, last = [], history.asks[-1] if history.asks else None
    sees_new_attempts = last is None or last.seen < history.highest_attempt
    if begins_a_rung(history) and sees_new_attempts:
        events.append(Event(EventKind.PLATEAU, at, number, {"attempts": len(idle(history))}))
    before = last.directive.stance if last else None
    if directive.stance is not before:
        step = {"from": before or "", "to": directive.stance, "reason": directive.reason}
        events.append(Event(EventKind.RUNG, at, number, step))
    return events


def verdict_without_judging(history: History, ask: Ask, trial: Trial) -> Verdict | None:
    """Return the verdict on a trial (one candidate that answers `ask`) that must not be judged, or None if the harness
    must judge it. A candidate that equals an earlier attempt's in `history` is rejected. A candidate counts as crashed
    if the judge's process has already ended MAX_DEATHS times while it judged it.
    """
    if twin := history.identical(trial.candidate.digest):
        return Verdict(Status.REJECTED, f"identical to {twin.number}, which is {twin.verdict.status}")
    if history.judge_deaths(ask.number, trial.number) >= MAX_DEATHS:
        return Verdict(Status.CRASHED, f"the judge died {MAX_DEATHS} times while it judged this candidate")
    return None


def verdict_on_nothing(proposal: Proposal) -> Verdict:
    """Return the verdict on a proposal that has no candidate: the status `no_candidate`, with the proposal's reason as
    its detail.
    """
    return Verdict(Status.NO_CANDIDATE, proposal.why_empty)


def consequences_of(attempt: Attempt, at: datetime) -> list[Event]:
    """Return the events to record with an attempt, with the UTC time `at`: one promotion event if the attempt became
    the incumbent (the best so far), one refusal event if it has no candidate, and otherwise an empty list.
    """
    verdict = attempt.verdict
    if verdict.promotion:
        return [
            Event(EventKind.PROMOTION, at, attempt.ask_number, {"by": verdict.promotion, "attempt": attempt.number})
        ]
    if verdict.status is Status.NO_CANDIDATE:
        return [Event(EventKind.REFUSAL, at, attempt.ask_number, {"reason": verdict.detail})]
    return []
