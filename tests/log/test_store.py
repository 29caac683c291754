"""What is written comes back equal, to this process and to the next."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

from kernelsmith.core.attempt import Directive, Stance
from kernelsmith.core.run import Device, Event, EventKind, RunConfig, RunStatus, VendorLine
from kernelsmith.core.usage import Exchange, Usage
from kernelsmith.errors import LogError, UsageError
from kernelsmith.log.store import open_store

AT = datetime(2026, 11, 23, 12, 30, 1, tzinfo=UTC)
DIRECTIVE = Directive(Stance.REFINE, parent=3, reason="no duel won for 8 attempts")


def write(store, run, make_attempt, verdict):
    """One ask with its attempt."""
    ask = store.ask(run, DIRECTIVE)
    attempt = make_attempt(ask.number, verdict, ask=ask)
    store.record(run, attempt)
    return attempt


def test_a_run_comes_back_with_every_setting(store, path, config) -> None:
    run = store.create_run(config, name=None, task=task)
    assert run.name == "cpu_matmul-1"
    assert run.config == config
    with open_store(path, create=False) as again:
        assert again.run("cpu_matmul-1") == run
        assert again.runs() == [run]


def test_attempts_of_every_kind_come_back_equal(store, path, config, verdicts, make_attempt) -> None:
    run = store.create_run(config, name="all", task=task)
    written = [write(store, run, make_attempt, verdict) for verdict in verdicts.values()]
    with open_store(path) as again:
        read = again.history(again.run("all")).attempts
        for before, after in zip(written, read, strict=True):
            batches = again.batches(run, after.number)
            assert replace(after, verdict=replace(after.verdict, batches=batches)) == before


def test_the_writer_and_a_later_reader_see_the_same_history(store, path, config, verdicts, make_attempt) -> None:
    run = store.create_run(config, name="all", task=task)
    for verdict in verdicts.values():
        write(store, run, make_attempt, verdict)
    store.note(run, Event(EventKind.PLATEAU, AT, 3, {"reason": "no duel won"}))
    store.ask(run, DIRECTIVE, Event(EventKind.RUNG, AT, 9, {"to": "diagnose"}))
    with open_store(path) as again:
        assert again.history(again.run("all")) == store.history(run)
        assert again.history(run).pending == store.history(run).pending is not None


def test_a_history_is_a_snapshot(store, config, verdicts, make_attempt) -> None:
    run = store.create_run(config, name="r", task=task)
    before = store.history(run)
    write(store, run, make_attempt, verdicts["passed"])
    assert len(before.attempts) == 0
    assert len(store.history(run).attempts) == 1


def test_an_ask_has_one_attempt_only(store, config, verdicts, make_attempt) -> None:
    run = store.create_run(config, name="r", task=task)
    attempt = write(store, run, make_attempt, verdicts["passed"])
    with pytest.raises(LogError, match="ask 0 has its attempt already"):
        store.record(run, attempt)
    assert len(store.history(run).attempts) == 1


def test_the_promoted_attempt_keeps_its_batches_for_the_next_duel(store, path, config, verdicts, make_attempt) -> None:
    run = store.create_run(config, name="r", task=task)
    write(store, run, make_attempt, verdicts["promoted"])
    with open_store(path) as again:
        incumbent = again.history(run).incumbent
        assert incumbent is not None
        assert len(incumbent.verdict.batches) == 3


def test_the_device_is_the_one_last_opened(store, path, config) -> None:
    run = store.create_run(config, name="r", task=task)
    device = Device(
        "EPYC", "cpu", 1.1e11, "fp32", 3, 0.01, 40.0, 1, VendorLine("OpenBLAS", 2e4, 0.9), {"compiler": "cc"}
    )
    store.note(run, Event(EventKind.OPENED, AT, data=asdict(replace(device, peak=1.0))))
    store.note(run, Event(EventKind.OPENED, AT, data=asdict(device)))
    assert store.history(run).device == device
    with open_store(path) as again:
        assert again.history(run).device == device


def test_model_calls_are_kept_and_summed(store, path, config) -> None:
    run = store.create_run(config, name="r", task=task)
    usage = Usage(100, 20, 5, 50, 0.25)
    calls = [
        Exchange(0, "m", "[]", f"reply {i} ✓", "", usage, 1.5, "stop", i, AT + timedelta(seconds=i)) for i in range(2)
    ]
    exchanges = store.exchanges_of(run)
    for call in calls:
        exchanges.keep(call)
    assert exchanges.exchanges(0) == tuple(calls)
    assert exchanges.exchanges(1) == ()
    with open_store(path) as again:
        assert again.exchanges_of(run).exchanges(0) == tuple(calls)
        assert again.history(run).usage == store.history(run).usage == Usage(200, 40, 10, 100, 0.5)


def test_an_unknown_price_makes_the_sum_unknown(store, config) -> None:
    run = store.create_run(config, name="r", task=task)
    store.keep(run, Exchange(0, "m", "[]", "r", "", Usage(1, 1, cost_usd=None), 1.0, "stop", 0, AT))
    assert store.history(run).usage.cost_usd is None


@pytest.mark.parametrize("name", ["a/b", "", "..", "x" * 100, "-x", "a b", "é"])
def test_a_name_that_cannot_be_a_folder_is_refused(store, config, name) -> None:
    if name:
        with pytest.raises(UsageError, match="--name"):
            store.create_run(config, name=name, task=task)


def test_a_name_is_given_once(store, config) -> None:
    store.create_run(config, name="mine", task=task)
    with pytest.raises(UsageError, match="kernelsmith resume mine"):
        store.create_run(config, name="mine", task=task)
    assert store.create_run(RunConfig(task="some/where/t", proposer="tuner"), name=None, task=task).name == "t-1"


def test_an_unknown_run_is_answered_with_close_names(store, config) -> None:
    with pytest.raises(UsageError, match="there is none yet"):
        store.run("nightly")
    store.create_run(config, name="nightly", task=task)
    with pytest.raises(UsageError, match=r"no run 'nigthly'.*nightly"):
        store.run("nigthly")


@pytest.mark.parametrize(
    ("last", "status"),
    [
        (None, RunStatus.INTERRUPTED),
        (EventKind.JUDGING, RunStatus.INTERRUPTED),
        (EventKind.PAUSED, RunStatus.PAUSED),
        (EventKind.ENDED, RunStatus.ENDED),
        (EventKind.EXHAUSTED, RunStatus.ENDED),
        (EventKind.RESUME, RunStatus.INTERRUPTED),
    ],
)
def test_a_runs_status_follows_from_its_last_event(store, config, last, status) -> None:
    run = store.create_run(config, name="r", task=task)
    store.note(run, Event(EventKind.ENDED, AT))
    store.note(run, Event(EventKind.STARTED, AT))
    if last:
        store.note(run, Event(last, AT))
    assert store.status(run) is status
    with store.hold(run):
        assert store.status(run) is RunStatus.RUNNING
    assert store.status(run) is status


def test_the_list_of_runs_has_figures(store, config, verdicts, make_attempt) -> None:
    run = store.create_run(config, name="first", task=task)
    store.create_run(config, name="second", task=task)
    for name in ("passed", "promoted", "crashed"):
        write(store, run, make_attempt, verdicts[name])
    first, second = store.summaries()
    assert (first.name, first.attempts, first.best_utilization) == ("first", 3, 0.912)
    assert (second.name, second.attempts, second.best_utilization) == ("second", 0, None)


def test_a_task_folder_of_any_name_gets_a_run_name_that_is_fit_for_a_folder(store) -> None:
    config = RunConfig(task="/home/me/tä sk (2)", proposer="tuner")
    assert store.create_run(config, name=None, task=task).name == "t-sk-2-1"
