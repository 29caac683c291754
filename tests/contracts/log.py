"""The contract of every backend of the attempt log. A subclass provides three fixtures and inherits the tests.

`log` is an empty log with one run, `run` is that run, and `reopened` opens the same log as another process would.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

import pytest

from kernelsmith.core.attempt import Ask, Attempt, Directive, NoCandidate, Origin, Proposal, Stance
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.history import History
from kernelsmith.core.run import Event, EventKind, Run
from kernelsmith.core.seams import AttemptLog, Exchanges
from kernelsmith.core.task import Unit
from kernelsmith.core.usage import Exchange, Usage
from kernelsmith.core.verdict import Batch, Facts, Interval, Measurement, Promotion, Status, Verdict
from kernelsmith.errors import LogError

AT = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
REFINE = Directive(Stance.REFINE, parent=0, reason="attempt 0 is the best")
FIGURES = Measurement(20.5, Interval(20.0, 21.0), 0.9, 1e11, 1.1e11, Unit.FP32, 25.0)
BATCHES = (Batch("main", 2, 20.5, "0" * 32, {"sm_mhz": 1980.0}), Batch("main", 2, 20.6, "1" * 32))
FACTS = Facts(registers=64, warnings=("unused ✗",), instructions={"fma": 9})
VERDICTS = [Verdict(status, "zweite\nZeile ✗") for status in Status if status is not Status.PASSED] + [
    Verdict(Status.PASSED, "", FIGURES, Promotion.FIRST, facts=FACTS, batches=BATCHES, guards_s={"poison": 0.125})
]


class Log(AttemptLog, Protocol):
    """What a run needs of a log: its history, and where its model calls are kept."""

    def exchanges_of(self, run: Run) -> Exchanges:
        """Return where this run's model calls are kept."""
        ...


Reopened = Callable[[], Log]


def attempt_of(ask: Ask, *, number: int, trial: int = 0, verdict: Verdict = VERDICTS[-1]) -> Attempt:
    """Return an attempt that answers an ask."""
    candidate = Candidate(f"/* {number} ✓ */", Language.C, {"MR": 6, "packed": "yes"})
    proposal = Proposal(Origin.TUNER, "wider tiles", candidate, ask.directive.parent)
    if verdict.status is Status.NO_CANDIDATE:
        proposal = Proposal(Origin.MODEL, "none", None, reason=NoCandidate.NO_BLOCK, said="I give up")
    return Attempt(number, ask, trial, proposal, verdict, AT, 2.25, line=number, card="a card")


class LogContract:
    """What loop, session and reports rely on."""

    @pytest.fixture
    def log(self) -> Log:
        """A log with one run, which is empty."""
        raise NotImplementedError

    @pytest.fixture
    def run(self, log: Log) -> Run:
        """The run of that log."""
        raise NotImplementedError

    @pytest.fixture
    def reopened(self, log: Log) -> Reopened:
        """Open the same log once more."""
        raise NotImplementedError

    def test_a_new_run_has_an_empty_history(self, log: Log, run: Run) -> None:
        assert log.history(run) == History(run)

    def test_asks_are_numbered_from_zero_and_remember_what_was_known(self, log: Log, run: Run) -> None:
        first = log.ask(run, REFINE)
        log.record(run, attempt_of(first, number=0))
        second, third = log.ask(run, REFINE), log.ask(run, REFINE)
        assert [(ask.number, ask.seen) for ask in (first, second, third)] == [(0, -1), (1, 0), (2, 0)]
        assert list(log.history(run).asks) == [first, second, third]
        assert log.history(run).open_asks == [second, third]

    def test_an_attempt_of_every_status_comes_back_equal(self, log: Log, run: Run, reopened: Reopened) -> None:
        written = []
        for number, verdict in enumerate(VERDICTS):
            written.append(attempt_of(log.ask(run, REFINE), number=number, verdict=verdict))
            log.record(run, written[-1])
        assert list(log.history(run).attempts) == written
        assert list(reopened().history(run).attempts) == written

    def test_trials_of_an_ask_are_attempts_of_their_own(self, log: Log, run: Run) -> None:
        ask = log.ask(run, REFINE, Event(EventKind.SWEEP, AT, 0, {"trials": 2}))
        log.record(run, attempt_of(ask, number=0))
        assert log.history(run).open_asks == [ask]
        log.record(run, attempt_of(ask, number=1, trial=1))
        history = log.history(run)
        assert (history.open_asks, history.answered, history.sweep_trials) == ([], 1, 1)

    def test_an_ask_and_a_trial_have_one_attempt_however_it_is_numbered(self, log: Log, run: Run) -> None:
        attempt = attempt_of(log.ask(run, REFINE), number=0)
        log.record(run, attempt)
        for again in (attempt, replace(attempt, number=1), replace(attempt, trial=1)):
            with pytest.raises(LogError):
                log.record(run, again, Event(EventKind.PROMOTION, AT, 0))
        history = log.history(run)
        assert (len(history.attempts), list(history.events)) == (1, [])

    def test_events_come_back_in_order_with_their_data(self, log: Log, run: Run, reopened: Reopened) -> None:
        events = [Event(kind, AT, number, {"n": number, "x": [1.5, None]}) for number, kind in enumerate(EventKind)]
        events = [event for event in events if event.kind is not EventKind.OPENED]
        log.ask(run, REFINE, *events[:2])
        for event in events[2:]:
            log.note(run, event)
        assert list(log.history(run).events) == events
        assert list(reopened().history(run).events) == events

    def test_a_history_stays_as_it_was_when_something_is_added(self, log: Log, run: Run) -> None:
        before = log.history(run)
        log.record(run, attempt_of(log.ask(run, REFINE), number=0), Event(EventKind.PROMOTION, AT, 0))
        assert (len(before.asks), len(before.attempts), len(before.events)) == (0, 0, 0)

    def test_what_is_added_through_one_opening_is_seen_through_another(
        self, log: Log, run: Run, reopened: Reopened
    ) -> None:
        other = reopened()
        assert other.history(run) == log.history(run)
        ask = log.ask(run, REFINE)
        assert other.history(run).open_asks == [ask]
        log.record(run, attempt_of(ask, number=0))
        log.note(run, Event(EventKind.PLATEAU, AT))
        assert other.history(run) == log.history(run)
        assert other.ask(run, REFINE).number == 1
        assert len(log.history(run).asks) == 2

    def test_model_calls_are_kept_by_ask_and_summed(self, log: Log, run: Run, reopened: Reopened) -> None:
        kept = log.exchanges_of(run)
        calls = [
            Exchange(n // 2, "m", "[]", f"r{n} ✓", "", Usage(10, n, 0, 0, 0.5), 1.5, "stop", n, AT) for n in range(3)
        ]
        for call in calls:
            kept.keep(call)
        assert [tuple(reopened().exchanges_of(run).exchanges(ask)) for ask in range(3)] == [
            tuple(calls[:2]), tuple(calls[2:]), (),
        ]  # fmt: skip
        assert log.history(run).usage == reopened().history(run).usage == Usage(30, 3, 0, 0, 1.5)
