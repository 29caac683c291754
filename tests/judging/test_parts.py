"""Units of judging and timing: duels, stages, scores, sessions, flags, guards, batch requests."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from harness import guards
from harness.checking import inputs
from harness.compiling.built import Built
from harness.devices.script import Behaviour, Script
from harness.judging import correctness, duel, judgement, timed_cases
from harness.judging.calibration import Calibration, Overhead
from harness.judging.findings import Findings
from harness.timing import score
from harness.timing.clock import SystemClock
from harness.timing.failure import CandidateFailed
from harness.timing.session import LEAST_LEFT
from harness.wire import messages as wire
from harness.worker.batch_request import CALL, CAPTURE, REPLAY, BatchRequest

KEY = inputs.fresh_key()


@pytest.mark.parametrize(
    ("ratio", "quads", "won"),
    [(1.05, 24, True), (1.005, 24, False), (0.9, 24, False), (1.05, 12, False)],
)
def test_a_duel_is_won_only_above_the_margin_and_after_all_quads(ratio, quads, won):
    ratios = ratio * np.exp(np.random.default_rng(0).normal(0, 0.001, quads))
    result = duel.Duel(ratios, planned=24)
    assert result.won is won
    assert result.interval[0] <= result.speedup <= result.interval[1]
    assert result.interval == duel.Duel(ratios, planned=24).interval


@dataclass
class State:
    """A state that stages can work on."""

    findings: Findings = field(default_factory=Findings)
    announced: list[str] = field(default_factory=list)

    @property
    def progress(self):
        return self.announced.append


def test_stages_that_apply_run_in_order_until_one_fails():
    def fail(state: State) -> None:
        raise CandidateFailed("incorrect", "no")

    ran: list[str] = []
    stages = (
        judgement.Stage("quick", lambda state: ran.append("quick"), is_timed=False),
        judgement.Stage("build", lambda state: ran.append("build")),
        judgement.Stage("audit", lambda state: ran.append("audit"), applies=lambda state: False),
        judgement.Stage("timing", fail),
        judgement.Stage("duel", lambda state: ran.append("duel")),
    )
    state = State()
    with pytest.raises(CandidateFailed, match="no"):
        judgement.run_stages(stages, state)
    assert ran == ["quick", "build"]
    assert state.announced == ["build", "timing"]
    assert set(state.findings.durations_s) == {"build", "timing"}


def test_a_score_is_a_quantile_within_its_interval():
    batches = [score.BatchTime(seconds, 1, KEY) for seconds in np.linspace(1.0, 2.0, 21)]
    scored = score.score(batches, quantile=0.5, rng=np.random.default_rng(0))
    assert scored.call_s == pytest.approx(1.5)
    assert scored.low_s < scored.call_s < scored.high_s


def test_overheads_are_kept_by_language_and_the_first_language_is_trusted(scripted_judge):
    measured = scripted_judge().opened.calibration
    two = {"cuda": {0.0: Overhead(1e-5, 1e-6)}, "triton": {0.0: Overhead(3e-5, 1e-6)}}
    calibration = Calibration("card", measured.measured_at, 1.0, {}, two)
    assert calibration.trusted_language == "cuda"
    assert calibration.overheads_s("triton") == {0.0: 3e-5}
    assert calibration.overheads_s("c") == {}


@pytest.fixture
def timed(scripted_judge):
    """Return a function that times one batch of calls of `call_s` seconds on a device with this dispatch overhead in
    seconds.
    """

    def batch(call_s: float, *, overhead_s: float, calls: int):
        scripted = scripted_judge(Script(overhead_s=overhead_s), one=Behaviour(call_s=call_s))
        built = scripted.opened.build(Path(scripted.source("one").path), language="c")
        assert isinstance(built, Built)
        with scripted.opened.worker(built.artifact) as worker:
            session = scripted.opened.session(worker, scripted.opened.main, sets=calls)
            session.refresh(range(calls), KEY)
            batch_of_calls = session.run(range(calls), KEY)
            batch_of_calls.verify(full=True)
            return batch_of_calls

    return batch


def test_the_dispatch_overhead_is_deducted_from_a_batch(timed):
    batch = timed(1e-3, overhead_s=5e-4, calls=2)
    assert (batch.time.call_s, batch.time.calls, batch.time.key) == (pytest.approx(1e-3), 2, KEY)


def test_a_fraction_of_the_batch_time_counts_however_large_the_deduction(timed):
    batch = timed(1e-7, overhead_s=1e-3, calls=1)
    assert batch.time.call_s == pytest.approx(LEAST_LEFT * 1e-3, rel=0.01)


def test_a_verdict_reports_batches_in_microseconds(scripted_judge):
    batch_on_wire = timed_cases.as_wire(scripted_judge().opened.main, score.BatchTime(2e-3, 4, KEY, {"power_w": 600.0}))
    assert batch_on_wire == wire.Batch("main", 4, 2000.0, KEY, {"power_w": 600.0})


def test_a_task_without_a_gpu_has_no_flags(scripted_judge):
    assert correctness.flags(scripted_judge().opened.task, wire.Facts(text_bytes=1)) == []


def test_seconds_of_guards_are_counted_only_during_a_judgement():
    ticks = iter(range(0, 10_000_000_000, 1_000_000_000))
    with guards.guard("poison"):
        pass
    with guards.counted(lambda: next(ticks)) as spent_s:
        for _ in range(2):
            with guards.guard("poison"):
                pass
    with guards.guard("poison"):
        pass
    assert spent_s == {"poison": 2.0}


def test_a_wait_ends_early_if_its_condition_is_true():
    clock, asked = SystemClock(), []
    clock.wait_until(clock.now_ns() + 3_600_000_000_000, or_until=lambda: bool(asked.append(1) or len(asked) > 2))
    assert len(asked) == 3
    clock.wait_until(clock.now_ns() - 1, or_until=lambda: pytest.fail("it was over"))


def test_a_batch_request_runs_calls_by_default():
    assert BatchRequest((1,), np.zeros((1, 1), np.uint64), (True,)).manner == CALL
    assert len({CALL, CAPTURE, REPLAY}) == 3
