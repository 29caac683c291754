"""What counts as a disturbance, and that a verdict never keeps silent about one."""

import os
import time
from dataclasses import replace

import pytest

from harness.devices import disturbance
from harness.devices.disturbance import Counts

BEFORE = Counts(100.0, {0: 50.0, 1: 50.0}, worker_ran_s=1.0, worker_waited_s=0.1, judge_ran_s=9.0, judge_waited_s=0.5)
QUIET = replace(
    BEFORE, at_s=102.0, busy_s={0: 51.5, 1: 50.5}, worker_ran_s=1.5, worker_waited_s=0.104, judge_ran_s=10.4,
    judge_waited_s=0.52,
)  # fmt: skip


def told(now: Counts, *, batches: int = 40) -> str:
    return disturbance.disturbance(BEFORE, now, batches=batches, siblings={1})


def test_a_quiet_machine_is_not_accused() -> None:
    assert told(QUIET) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"worker_waited_s": 0.3}, "the candidate's threads waited 28% of their time for their core"),
        ({"judge_waited_s": 1.5}, "the judge waited 50% of the time for a core"),
        ({"busy_s": {0: 51.5, 1: 51.5}}, "other processes ran on the candidate's core for 50% of the time"),
        ({"busy_s": {0: 51.9, 1: 50.6}, "judge_ran_s": 9.1}, "other processes kept 1.0 of 2 cores busy"),
    ],
)
def test_every_kind_of_disturbance_is_told(change, said) -> None:
    assert told(replace(QUIET, **change)) == said


def test_wake_ups_are_no_waiting() -> None:
    woken = replace(QUIET, worker_waited_s=BEFORE.worker_waited_s + 400 * disturbance.WAKING_S)
    assert told(woken, batches=400) == ""
    assert told(woken, batches=1) != ""


def test_ticks_say_nothing_over_a_short_time() -> None:
    now = replace(QUIET, at_s=100.1, busy_s={0: 50.1, 1: 50.1}, worker_ran_s=1.0, judge_ran_s=9.0, judge_waited_s=0.5)
    assert told(replace(now, worker_waited_s=0.1)) == ""


def test_a_kernel_that_counts_nothing_accuses_nobody() -> None:
    empty = Counts(100.0, {}, 0.0, 0.0, 0.0, 0.0)
    assert disturbance.disturbance(empty, replace(empty, at_s=102.0), batches=40, siblings={1}) == ""


def test_a_process_that_shares_its_core_is_seen_to_wait(busy) -> None:
    core = max(os.sched_getaffinity(0))
    with busy(core, processes=2) as (worker, _):
        watch = disturbance.CpuMonitor({core}, workers=[worker], core=core)
        time.sleep(0.5)
        watch.look()
        assert "for their core" in watch.disturbance()
