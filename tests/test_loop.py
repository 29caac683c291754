"""The loop, with a real log on disk and scripted parts: what it writes down, in which order, and how it goes on."""

import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from scripted import BROKEN, FIRST, SLOWER, ScriptedHarness, passed

from kernelsmith.app.session import Session, SessionInputs, SessionParts
from kernelsmith.core.attempt import Ask, Directive, NoCandidate, Origin, Proposal, Stance
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.history import History
from kernelsmith.core.run import Budget, Event, EventKind, Run, RunConfig, RunStatus
from kernelsmith.core.snapshot import snapshot_of
from kernelsmith.core.task_folder import load_task
from kernelsmith.core.verdict import Promotion, Status
from kernelsmith.errors import Exhausted, HarnessError, JudgeDied, MachineRefusal, UsageError
from kernelsmith.log.reader import open_reader
from kernelsmith.log.store import open_store

SMALL = Path(__file__).parent / "tasks" / "small_matmul"
BEGAN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class Scripted:
    """A proposer that gives these sources by ask number, a fresh one where none is given; remembers what it saw."""

    def __init__(self, **sources: str | None) -> None:
        self.asked: list[Ask] = []
        self._sources = {int(key.removeprefix("at_")): source for key, source in sources.items()}

    def propose(self, ask: Ask, history: History) -> Proposal:
        self.asked.append(ask)
        source = self._sources.get(ask.number, f"/* {ask.number} */")
        if source is None:
            return Proposal(Origin.MODEL, "", None, reason=NoCandidate.NO_BLOCK)
        return Proposal(Origin.MODEL, "a hypothesis", Candidate(source, Language.C), ask.directive.parent)


class Short:
    """A proposer that has so much to offer and no more."""

    def __init__(self, count: int) -> None:
        self._count = count

    def propose(self, ask: Ask, history: History) -> Proposal:
        if ask.number >= self._count:
            raise Exhausted("every file was judged")
        return Proposal(Origin.FOLDER, "", Candidate(f"/* {ask.number} */", Language.C))


class Search:
    """One run in one log; every `go` is a process of its own, which knows nothing but what is on disk."""

    def __init__(self, path: Path, config: RunConfig) -> None:
        self.path = path
        with open_store(path) as store:
            self.run: Run = store.create_run(config, name="night", task=snapshot_of(SMALL))

    def session(self, proposer=None, harness=None, *, strategy=None, stopped=lambda: False) -> Session:
        """A session that is not open yet."""
        ticks = itertools.count()
        opening = SessionInputs(open_store(self.path), self.run, load_task(SMALL), (), "kernelsmith resume night")
        return Session(
            opening,
            parts=SessionParts(strategy, proposer, harness or ScriptedHarness(FIRST, SLOWER)),
            stopped=stopped,
            now=lambda: BEGAN + timedelta(seconds=next(ticks)),
        )

    def go(self, proposer=None, harness=None, **others) -> History:
        with self.session(proposer or Scripted(), harness, **others) as session:
            return session.run()

    def read(self) -> History:
        """The run as another process reads it now."""
        with open_reader(self.path) as log:
            return log.history(log.run("night"))

    @property
    def status(self) -> RunStatus:
        with open_reader(self.path) as log:
            return log.status(self.run)


@pytest.fixture
def search(tmp_path) -> Callable[..., Search]:
    """A run that has not begun."""

    def begin(*, attempts: int = 4, plateau: int = 8, **limits) -> Search:
        config = RunConfig("cpu_matmul", "model", Budget(attempts=attempts, **limits), plateau=plateau)
        return Search(tmp_path / "attempts.db", config)

    return begin


def events(history: History, kind: EventKind) -> Sequence[tuple[int | None, dict[str, object]]]:
    """Ask number and data of every event of this kind."""
    return [(event.ask_number, dict(event.data)) for event in history.events if event.kind is kind]


# --- the end of a run ---


def test_the_budget_ends_a_run_and_the_diary_says_which(search):
    run = search(attempts=3)
    history = run.go()
    assert [attempt.number for attempt in history.attempts] == [0, 1, 2]
    assert events(history, EventKind.ENDED) == [(None, {"limit": "attempts", "reason": "3 asks, 3 attempts"})]
    assert run.status is RunStatus.ENDED


def test_the_target_ends_a_run(search):
    history = search(attempts=9, target=0.3).go(harness=ScriptedHarness(FIRST, passed(0.31, Promotion.DUEL)))
    assert len(history.attempts) == 2
    assert events(history, EventKind.ENDED) == [
        (None, {"limit": "target", "reason": "target reached: 31.0% of peak at attempt 1"})
    ]


def test_a_proposer_with_nothing_more_to_offer_ends_the_run(search):
    run = search(attempts=9)
    history = run.go(Short(2))
    assert len(history.attempts) == 2
    assert events(history, EventKind.EXHAUSTED) == [(2, {"limit": "exhausted", "reason": "every file was judged"})]
    assert not events(history, EventKind.ENDED)
    assert run.status is RunStatus.ENDED


def test_a_resumed_run_takes_up_what_the_proposer_has_found_since(search):
    run = search(attempts=9)
    run.go(Short(2))
    history = run.go(Short(3))
    assert [attempt.number for attempt in history.attempts] == [0, 1, 2]


def test_a_request_to_stop_pauses_the_run_after_the_attempt_in_flight(search):
    run = search(attempts=9)
    proposer = Scripted()
    history = run.go(proposer, stopped=lambda: len(proposer.asked) == 2)
    assert len(history.attempts) == 2
    assert events(history, EventKind.PAUSED) == [(None, {"limit": "user", "reason": "stopped by the user"})]
    assert run.status is RunStatus.PAUSED


def test_a_run_that_was_paused_goes_on_where_it_stopped(search):
    run = search(attempts=4)
    proposer = Scripted()
    run.go(proposer, stopped=lambda: len(proposer.asked) == 2)
    history = run.go(proposer)
    assert [ask.number for ask in proposer.asked] == [0, 1, 2, 3]
    assert [attempt.number for attempt in history.attempts] == [0, 1, 2, 3]


def test_a_second_session_on_a_run_is_refused_and_writes_nothing(search):
    run = search(attempts=2)
    with run.session(Scripted()):
        before = run.read().events
        with pytest.raises(UsageError, match=r"run night: process \d+ works on it; wait for it to end, or stop it$"):
            run.go()
        assert run.read().events == before


# --- verdicts ---


def test_every_promotion_is_an_event_that_says_how(search):
    history = search(attempts=3).go(harness=ScriptedHarness(FIRST, SLOWER, passed(0.2, Promotion.DUEL)))
    assert events(history, EventKind.PROMOTION) == [
        (0, {"by": "first", "attempt": 0}),
        (2, {"by": "duel", "attempt": 2}),
    ]


def test_the_harness_is_given_the_incumbent_of_the_moment(search):
    judge = ScriptedHarness(BROKEN, FIRST, SLOWER, passed(0.2, Promotion.DUEL), SLOWER)
    search(attempts=5).go(harness=judge)
    assert judge.incumbents == [None, None, "/* 1 */", "/* 1 */", "/* 3 */"]


def test_a_proposal_without_a_candidate_is_recorded_and_the_run_goes_on(search):
    judge = ScriptedHarness(FIRST, SLOWER)
    history = search(attempts=3).go(Scripted(at_1=None), judge)
    assert [attempt.verdict.status for attempt in history.attempts] == ["passed", "no_candidate", "passed"]
    assert history.attempts[1].verdict.detail == "no fenced block"
    assert events(history, EventKind.REFUSAL) == [(1, {"reason": "no fenced block"})]
    assert judge.judged == ["/* 0 */", "/* 2 */"]


def test_a_candidate_that_was_judged_before_is_rejected_without_asking_the_harness(search):
    judge = ScriptedHarness(BROKEN, FIRST, SLOWER)
    history = search(attempts=4).go(Scripted(at_2="/* 0 */", at_3="/* 1 */"), judge)
    assert [attempt.verdict.status for attempt in history.attempts[2:]] == ["rejected", "rejected"]
    assert history.attempts[2].verdict.detail == "identical to 0, which is incorrect"
    assert history.attempts[3].verdict.detail == "identical to 1, which is passed"
    assert judge.judged == ["/* 0 */", "/* 1 */"]
    assert [number for number, _ in events(history, EventKind.JUDGING)] == [0, 1]


def test_an_attempt_takes_the_time_from_its_ask_to_its_verdict(search):
    history = search(attempts=1).go()
    (attempt,) = history.attempts
    assert attempt.started_at == BEGAN + timedelta(seconds=1), "the session was opened one tick before"
    assert attempt.seconds > 0


# --- the diary of the ladder ---


def test_every_change_of_stance_is_a_rung_event(search):
    history = search(attempts=4).go(harness=ScriptedHarness(BROKEN, FIRST, SLOWER))
    steps = [(number, data["from"], data["to"]) for number, data in events(history, EventKind.RUNG)]
    assert steps == [(0, "", "open"), (1, "open", "repair"), (2, "repair", "refine")]
    assert events(history, EventKind.RUNG)[1][1]["reason"] == "attempt 0 is incorrect"


def test_every_plateau_is_an_event_before_the_rung_it_leads_to(search):
    history = search(attempts=6, plateau=2).go()
    assert events(history, EventKind.PLATEAU) == [(3, {"attempts": 2}), (5, {"attempts": 4})]
    at_three = [event.kind for event in history.events if event.ask_number == 3]
    assert at_three == [EventKind.PLATEAU, EventKind.RUNG, EventKind.JUDGING]
    assert [data["to"] for _, data in events(history, EventKind.RUNG)] == ["open", "refine", "diagnose", "restructure"]


def test_a_plateau_that_falls_into_a_row_of_repairs_is_an_event_too(search):
    history = search(attempts=5, plateau=2).go(harness=ScriptedHarness(FIRST, BROKEN))
    assert [attempt.stance for attempt in history.attempts] == ["open", "refine", "repair", "repair", "repair"]
    assert events(history, EventKind.PLATEAU) == [(3, {"attempts": 2})]


# --- what is on disk when ---


def test_the_ask_is_on_disk_before_the_proposer_is_asked_and_the_attempt_before_the_next_ask(search):
    run = search(attempts=3)
    seen = []

    class Watching(Scripted):
        def propose(self, ask, history):
            found = run.read()
            seen.append((found.open_asks, len(found.attempts)))
            return super().propose(ask, history)

    proposer = Watching()
    run.go(proposer)
    assert seen == [([ask], ask.number) for ask in proposer.asked]
    assert len(seen) == 3


def test_the_start_of_the_judging_is_on_disk_before_the_harness_is_asked(search):
    run = search(attempts=2)
    seen = []

    class Watching(ScriptedHarness):
        def submit(self, candidate, incumbent):
            seen.append([number for number, _ in events(run.read(), EventKind.JUDGING)])
            return super().submit(candidate, incumbent)

    run.go(harness=Watching(FIRST, SLOWER))
    assert seen == [[0], [0, 1]]


def test_after_a_crash_the_pending_ask_is_answered_and_not_asked_again(search):
    run = search(attempts=3)
    proposer = Scripted()
    with pytest.raises(HarnessError):
        run.go(proposer, ScriptedHarness(FIRST, HarnessError("the judge is gone")))
    (pending,) = run.read().open_asks
    assert pending.number == 1

    class Other:
        def ask(self, history, ask_number):
            assert ask_number != 1, "asked again"
            return Directive(Stance.RESTART)

    history = run.go(proposer, ScriptedHarness(SLOWER), strategy=Other())
    assert [ask.number for ask in proposer.asked] == [0, 1, 1, 2]
    assert history.attempts[1].ask == pending
    assert [attempt.stance for attempt in history.attempts] == ["open", "refine", "restart"]
    assert len(events(history, EventKind.RUNG)) == 3


def test_a_harness_that_fails_is_never_a_verdict(search):
    run = search(attempts=3)
    with pytest.raises(HarnessError, match="nothing is lost, go on with `kernelsmith resume night`"):
        run.go(harness=ScriptedHarness(HarnessError("the judge is gone")))
    assert run.read().attempts == ()
    assert run.status is RunStatus.PAUSED
    assert events(run.read(), EventKind.PAUSED)[0][1]["limit"] == "trouble"


def test_a_candidate_that_took_the_judge_along_twice_is_recorded_as_crashed(search):
    run = search(attempts=2)
    for killed in (ScriptedHarness(FIRST, JudgeDied("gone")), ScriptedHarness(JudgeDied("gone"))):
        with pytest.raises(JudgeDied):
            run.go(harness=killed)
    judge = ScriptedHarness(SLOWER)
    history = run.go(harness=judge)
    assert judge.judged == []
    assert history.attempts[1].verdict.status is Status.CRASHED
    assert history.attempts[1].verdict.detail == "the judge died 2 times while it judged this candidate"
    assert [number for number, _ in events(history, EventKind.JUDGE_DIED)] == [1, 1]


@pytest.mark.parametrize("end", [HarnessError("answered something else"), KeyboardInterrupt()])
def test_a_harness_that_failed_cleanly_never_becomes_a_verdict_however_often(search, end):
    run = search(attempts=1)
    for _ in range(3):
        with pytest.raises(type(end)):
            run.go(harness=ScriptedHarness(end))
    assert run.go().attempts[0].verdict.passed


def test_a_candidate_that_the_machine_could_not_judge_is_judged_however_often_that_was(search):
    run = search(attempts=1)
    for _ in range(3):
        with pytest.raises(HarnessError):
            run.go(harness=ScriptedHarness(MachineRefusal("another process computes on the GPU")))
    assert run.go().attempts[0].verdict.passed


def test_a_candidate_whose_judging_began_once_without_a_verdict_is_judged(search):
    run = search(attempts=1)
    with pytest.raises(HarnessError):
        run.go(harness=ScriptedHarness(JudgeDied("gone")))
    assert run.go().attempts[0].verdict.passed


def test_an_interrupted_run_makes_the_same_attempts_as_one_that_was_not(search, tmp_path):
    whole = search(attempts=8, plateau=2).go()
    other = Search(tmp_path / "other.db", whole.run.config)
    other.go(harness=ScriptedHarness(FIRST), stopped=iter([False, True]).__next__)
    while len((pieces := other.go(harness=ScriptedHarness(SLOWER), stopped=iter([False, True]).__next__)).attempts) < 8:
        pass
    assert [_told(attempt) for attempt in pieces.attempts] == [_told(attempt) for attempt in whole.attempts]


def _told(attempt):
    return attempt.ask, attempt.proposal, attempt.verdict


# --- what may come next ---


def test_what_may_follow_is_built_while_the_verdict_is_awaited(tmp_path):
    config = RunConfig("cpu_matmul", "tuner", Budget(attempts=3))
    judge = ScriptedHarness(BROKEN, FIRST, SLOWER)
    with Search(tmp_path / "attempts.db", config).session(None, judge) as session:
        session.run()
    assert [number for number, _ in judge.prepared] == [1, 2, 3]
    assert all(count for _, count in judge.prepared)


# --- trials of one ask ---


class Sweeping:
    """A proposer whose every answer has two further trials."""

    def propose(self, ask: Ask, history: History) -> Proposal:
        written, *others = (Candidate(f"/* {ask.number}.{trial} */", Language.C) for trial in range(3))
        return Proposal(Origin.MODEL, "", written, ask.directive.parent, sweep=tuple(others))


def test_every_trial_of_a_proposal_is_an_attempt_of_its_ask(search):
    judge = ScriptedHarness(FIRST, SLOWER)
    history = search(attempts=2).go(Sweeping(), judge)
    places = [(attempt.number, attempt.ask_number, attempt.trial) for attempt in history.attempts]
    assert places == [(0, 0, 0), (1, 0, 1), (2, 0, 2), (3, 1, 0), (4, 1, 1), (5, 1, 2)]
    assert judge.judged == ["/* 0.0 */", "/* 0.1 */", "/* 0.2 */", "/* 1.0 */", "/* 1.1 */", "/* 1.2 */"]


def test_the_budget_counts_asks_and_the_end_tells_both(search):
    history = search(attempts=2).go(Sweeping())
    assert events(history, EventKind.ENDED)[0][1]["reason"] == "2 asks, 6 attempts (4 sweep trials)"


def test_plateaus_count_asks(search):
    history = search(attempts=6, plateau=2).go(Sweeping())
    assert [number for number, _ in events(history, EventKind.PLATEAU)] == [3, 5]


def test_a_sweep_that_was_interrupted_goes_on_with_the_trial_that_lacks_a_verdict(search):
    run = search(attempts=2)
    with pytest.raises(HarnessError):
        run.go(Sweeping(), ScriptedHarness(FIRST, SLOWER, SLOWER, SLOWER, HarnessError("gone")))
    assert [ask.number for ask in run.read().open_asks] == [1]
    judge = ScriptedHarness(SLOWER)
    history = run.go(Sweeping(), judge)
    assert judge.judged == ["/* 1.1 */", "/* 1.2 */"]
    assert [attempt.trial for attempt in history.attempts] == [0, 1, 2, 0, 1, 2]


def test_an_ask_remembers_what_was_known_when_it_was_made(search):
    history = search(attempts=2).go(Sweeping())
    assert [(ask.number, ask.seen) for ask in history.asks] == [(0, -1), (1, 2)]
    assert [attempt.number for attempt in history.as_seen_by(history.asks[1]).attempts] == [0, 1, 2]


# --- ask, prompt, tell: what an agent uses ---


def test_a_caller_that_asks_and_tells_makes_the_attempts_that_the_loop_would(search):
    run = search(attempts=2)
    with run.session(Scripted()) as session:
        ask = session.ask()
        assert session.ask() == ask, "an open ask is handed out again"
        receipt = session.tell(ask, hypothesis="mine", source="/* told */")
    (attempt,) = run.read().attempts
    assert (receipt.ask, receipt.trial, receipt.attempt) == (0, 0, 0)
    assert (attempt.proposal.origin, attempt.proposal.hypothesis) == (Origin.TOLD, "mine")


def test_an_answered_ask_is_not_answered_again(search):
    with search(attempts=2).session(Scripted()) as session:
        ask = session.ask()
        session.tell(ask, hypothesis="", source="/* a */")
        with pytest.raises(UsageError, match="ask 0 of night is not open"):
            session.tell(ask, hypothesis="", source="/* b */")


def test_the_prompt_of_an_ask_holds_the_task_and_the_directive(search):
    with search(attempts=2).session(Scripted()) as session:
        prompt = session.prompt(session.ask())
    assert "void matmul(" in prompt
    assert "stance open" in prompt


# --- another harness ---


def test_under_another_harness_the_incumbent_is_measured_again_first(search):
    run = search(attempts=2)
    run.go(stopped=iter([False, True]).__next__)
    _resume_under(run, harness_digest="other")
    judge = ScriptedHarness(passed(0.2, Promotion.FIRST), SLOWER)
    history = run.go(harness=judge)
    assert judge.judged == ["/* 0 */", "/* 1 */"]
    assert len(history.attempts) == 2
    ((number, data),) = events(history, EventKind.REMEASURED)
    assert (number, data["attempt"], data["time_us"]) == (0, 0, 5000.0)
    assert history.opponent is not None
    assert history.opponent.time_us == 5000.0


def test_under_the_same_harness_nothing_is_measured_again(search):
    run = search(attempts=2)
    run.go(stopped=iter([False, True]).__next__)
    judge = ScriptedHarness(SLOWER)
    run.go(harness=judge)
    assert judge.judged == ["/* 1 */"]


def test_the_target_is_held_against_the_latest_figure(search):
    run = search(attempts=3, target=0.5)
    run.go(stopped=iter([False, True]).__next__)
    _resume_under(run, harness_digest="other")
    history = run.go(harness=ScriptedHarness(passed(0.6, Promotion.FIRST), SLOWER))
    assert events(history, EventKind.ENDED)[0][1]["reason"] == "target reached: 60.0% of peak at attempt 0"
    assert len(history.attempts) == 1


def test_an_agent_that_was_killed_while_it_judged_blames_nobody(search):
    run = search(attempts=1)
    with run.session(Scripted()) as session:
        ask = session.ask()
        for _ in range(3):
            session.note(EventKind.JUDGING, ask, trial=0)
    assert run.go().attempts[0].verdict.passed


def test_an_answer_that_shrinks_when_it_is_given_again_stops_the_run(search):
    run = search(attempts=2)
    with pytest.raises(HarnessError):
        run.go(Sweeping(), ScriptedHarness(FIRST, HarnessError("gone")))
    with pytest.raises(UsageError, match="ask 0: its answer has fewer trials now"):
        run.go(Scripted())


def test_an_incumbent_that_does_not_pass_any_more_stops_the_run_in_one_line(search):
    run = search(attempts=2)
    run.go(stopped=iter([False, True]).__next__)
    _resume_under(run, harness_digest="other")
    with pytest.raises(UsageError, match="attempt 0, the best of night, is incorrect now"):
        run.go(harness=ScriptedHarness(BROKEN))


def _resume_under(run: Search, **changed: str) -> None:
    with open_store(run.path) as store:
        store.note(run.run, Event(EventKind.RESUME, BEGAN + timedelta(days=1), data=changed))
