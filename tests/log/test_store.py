"""Test that objects that are written to a log are read back equal, by the same process and by a later one."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest
from log.plain import plain, query

from kernelsmith.core.attempt import Ask, Attempt, Directive, Stance
from kernelsmith.core.history import History
from kernelsmith.core.kinds import MeasuringKind, Unit
from kernelsmith.core.run import Device, Event, EventKind, Provenance, Run, RunConfig, RunStatus, VendorLine
from kernelsmith.core.snapshot import Snapshot, snapshot_of
from kernelsmith.core.task import Task
from kernelsmith.core.usage import Exchange, Usage
from kernelsmith.core.verdict import Verdict
from kernelsmith.errors import LogError, UsageError
from kernelsmith.log.reader import open_reader
from kernelsmith.log.store import Store, open_store

AT = datetime(2026, 11, 23, 12, 30, 1, tzinfo=UTC)
DIRECTIVE = Directive(Stance.REFINE, parent=3, reason="no duel won for 8 asks")

Write = Callable[..., Attempt]


@pytest.fixture
def run(store, config, task) -> Run:
    """Create a run without an attempt."""
    return store.create_run(config, name="r", task=task)


@pytest.fixture
def write(store, run, make_attempt) -> Write:
    """Return a function that records an attempt with a verdict, for a new ask or for the ask that it receives."""

    def record(verdict: Verdict, *, ask: Ask | None = None, trial: int = 0) -> Attempt:
        asked = ask or store.ask(run, DIRECTIVE)
        number = store.history(run).highest_attempt + 1
        attempt = make_attempt(number, verdict, ask=asked, trial=trial)
        store.record(run, attempt)
        return attempt

    return record


@pytest.fixture
def again(store, path) -> Iterator[Store]:
    """Open the same log a second time, and yield it."""
    with open_store(path, create=False) as opened:
        yield opened


# --- runs ---


def test_a_run_is_read_back_with_every_setting(store, again, config, task) -> None:
    provenance = Provenance("0.2.0+3fa1b2c4d5e6", "ab" * 32, "cd" * 32, {"duel": {"margin": 1.01}, "batches": [8, 12]})
    run = store.create_run(config, name=None, task=task, provenance=provenance)
    assert (run.name, run.config, run.provenance, run.task_digest) == ("cpu_matmul-1", config, provenance, task.digest)
    assert again.run("cpu_matmul-1") == run
    assert again.names() == ["cpu_matmul-1"]


def test_every_run_has_a_different_uuid(store, config, task) -> None:
    uuids = {store.create_run(config, name=None, task=task).uuid for _ in range(3)}
    assert len(uuids) == 3
    assert {len(uuid) for uuid in uuids} == {36}


@pytest.mark.parametrize("name", ["a/b", "", "..", "x" * 100, "-x", "a b", "é"])
def test_a_name_that_is_no_valid_folder_name_is_refused(store, config, task, name) -> None:
    with pytest.raises(UsageError, match="--name"):
        store.create_run(config, name=name, task=task)


def test_a_name_of_an_existing_run_is_refused(store, config, task) -> None:
    store.create_run(config, name="mine", task=task)
    with pytest.raises(UsageError, match="kernelsmith resume mine"):
        store.create_run(config, name="mine", task=task)
    assert store.create_run(RunConfig(task="some/where/t", proposer="tuner"), name=None, task=task).name == "t-1"


def test_the_message_for_an_unknown_run_names_similar_runs(store, config, task) -> None:
    with pytest.raises(UsageError, match="it has no run yet"):
        store.run("nightly")
    store.create_run(config, name="nightly", task=task)
    with pytest.raises(UsageError, match=r"no run 'nigthly'.*nightly"):
        store.run("nigthly")


def test_a_run_name_that_is_made_from_a_task_is_a_valid_folder_name(store, task) -> None:
    config = RunConfig(task="/home/me/tä sk (2)", proposer="tuner")
    assert store.create_run(config, name=None, task=task).name == "t-sk-2-1"


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
def test_a_runs_status_follows_from_its_last_event(store, run, last, status) -> None:
    store.note(run, Event(EventKind.ENDED, AT))
    store.note(run, Event(EventKind.STARTED, AT))
    if last:
        store.note(run, Event(last, AT))
    assert store.status(run) is status
    with store.hold(run):
        assert store.status(run) is RunStatus.RUNNING
    assert store.status(run) is status


def test_a_summary_has_the_number_of_attempts_and_the_best_utilization(
    store, run, write, config, task, verdicts
) -> None:
    store.create_run(config, name="second", task=task)
    for name in ("passed", "promoted", "crashed"):
        write(verdicts[name])
    first, second = store.summaries()
    assert (first.name, first.attempts, first.best_utilization) == ("r", 3, 0.912)
    assert (second.name, second.attempts, second.best_utilization) == ("second", 0, None)


@pytest.mark.parametrize(
    ("keys", "message"),
    [('$.beams", 4, "$.seed", 0', "the key beams"), ('$.budget.joules", 4, "$.seed", 0', "the key budget.joules")],
)
def test_a_config_with_an_unknown_key_is_refused_in_one_line_but_listed(store, path, run, keys, message) -> None:
    with plain(path) as connection:
        connection.execute(f'update runs set config = json_set(config, "{keys})')
    with open_reader(path) as log:
        with pytest.raises(UsageError, match=message) as caught:
            log.run("r")
        assert "\n" not in str(caught.value)
        assert [summary.name for summary in log.summaries()] == ["r"]


# --- snapshots ---


def test_a_snapshot_is_read_back_byte_for_byte(store, again, config) -> None:
    files = {
        "a.bin": bytes(range(256)),
        "empty": b"",
        "deep/er/ünï.toml": "✓\r\n".encode(),
        "copy.bin": bytes(range(256)),
    }
    snapshot = Snapshot(files)
    run = store.create_run(config, name="r", task=snapshot)
    assert again.snapshot(run.task_digest) == snapshot
    assert again.snapshot("0" * 64) is None


def test_the_same_snapshot_is_kept_once(store, path, config, task) -> None:
    for _ in range(3):
        store.create_run(config, name=None, task=task)
        store.keep_snapshot(Snapshot(dict(reversed(task.files.items()))))
    (count,) = query(path, "select count(*) from snapshots")
    assert count[0] == len(task.files)


def test_two_snapshots_share_equal_files(store, path, task) -> None:
    store.keep_snapshot(task)
    store.keep_snapshot(Snapshot({**task.files, "task.toml": b"changed"}))
    (count,) = query(path, "select count(*) from blobs")
    assert count[0] == len(task.files) + 1


def test_the_digest_of_a_snapshot_is_that_of_the_task_folder(store, config, small_task: Task) -> None:
    snapshot = snapshot_of(small_task.folder)
    run = store.create_run(config, name="r", task=snapshot)
    assert run.task_digest == small_task.digest
    kept = store.snapshot(run.task_digest)
    assert kept is not None
    assert kept.digest == small_task.digest


def test_a_snapshot_that_is_written_out_has_the_same_digest(store, tmp_path, small_task: Task) -> None:
    store.keep_snapshot(snapshot_of(small_task.folder))
    kept = store.snapshot(small_task.digest)
    assert kept is not None
    kept.write(tmp_path / "again")
    assert replace(small_task, folder=tmp_path / "again").digest == small_task.digest
    assert snapshot_of(tmp_path / "again") == kept


# --- asks, trials, attempts ---


def test_attempts_of_every_kind_are_read_back_equal(again, run, write, verdicts) -> None:
    written = [write(verdict) for verdict in verdicts.values()]
    read = again.history(again.run("r")).attempts
    for before, after in zip(written, read, strict=True):
        batches = again.batches(run, after.number)
        assert replace(after, verdict=replace(after.verdict, batches=batches)) == before


def test_the_writer_and_a_later_reader_return_the_same_history(store, again, run, write, verdicts) -> None:
    for verdict in verdicts.values():
        write(verdict)
    store.note(run, Event(EventKind.PLATEAU, AT, 3, {"reason": "no duel won"}))
    store.ask(run, DIRECTIVE, Event(EventKind.RUNG, AT, 9, {"to": "diagnose"}))
    assert again.history(again.run("r")) == store.history(run)
    assert again.history(run).open_asks == store.history(run).open_asks != []


def test_a_history_does_not_change_when_something_is_added(store, run, write, verdicts) -> None:
    before = store.history(run)
    write(verdicts["passed"])
    assert len(before.attempts) == len(before.asks) == 0
    assert len(store.history(run).attempts) == len(store.history(run).asks) == 1


def test_a_second_attempt_for_a_trial_is_refused(store, run, write, verdicts) -> None:
    attempt = write(verdicts["passed"])
    with pytest.raises(LogError, match="trial 0 of ask 0 already has an attempt"):
        store.record(run, replace(attempt, number=1))
    with pytest.raises(LogError, match="attempts"):
        store.record(run, replace(attempt, trial=1))
    assert store.history(run).attempts == (replace(attempt, verdict=replace(attempt.verdict, batches=())),)


def test_the_events_of_a_refused_attempt_are_not_recorded(store, run, write, verdicts) -> None:
    attempt = write(verdicts["passed"])
    with pytest.raises(LogError):
        store.record(run, attempt, Event(EventKind.PROMOTION, AT, 0))
    assert store.history(run).events == ()


def test_several_asks_are_open_at_once_and_are_answered_in_any_order(store, again, run, write, verdicts) -> None:
    asks = [store.ask(run, Directive(Stance.REFINE, reason=f"ask {n}")) for n in range(3)]
    assert [ask.number for ask in asks] == [0, 1, 2]
    write(verdicts["passed"], ask=asks[2])
    write(verdicts["crashed"], ask=asks[0])
    history = again.history(again.run("r"))
    assert history.asks == tuple(asks)
    assert history.open_asks == [asks[1]]
    assert history.answered == 2
    assert [(a.number, a.ask_number) for a in history.attempts] == [(0, 2), (1, 0)]


def test_a_swept_ask_is_open_until_each_of_its_trials_has_an_attempt(store, again, run, write, verdicts) -> None:
    swept, other = store.ask(run, DIRECTIVE), store.ask(run, DIRECTIVE)
    store.note(run, Event(EventKind.SWEEP, AT, swept.number, {"trials": 3}))
    states = []
    for trial in range(3):
        write(verdicts["passed"], ask=swept, trial=trial)
        history = again.history(run)
        states.append((history.open_asks, history.answered, history.sweep_trials))
    assert states == [([swept, other], 1, 0), ([swept, other], 1, 1), ([other], 1, 2)]
    assert [a.trial for a in again.history(run).trials_of(swept.number)] == [0, 1, 2]


def test_an_ask_keeps_the_highest_attempt_that_existed_when_it_was_made(store, again, run, write, verdicts) -> None:
    first = write(verdicts["passed"])
    early = store.ask(run, DIRECTIVE)
    write(verdicts["crashed"])
    history = again.history(run)
    assert [ask.seen for ask in history.asks] == [-1, 0, 0]
    assert _without_batches(history.as_seen_by(early)) == [replace(first, verdict=replace(first.verdict, batches=()))]
    assert [ask.number for ask in history.as_seen_by(early).asks] == [0, 1]


def _without_batches(history: History) -> list[Attempt]:
    return [replace(a, verdict=replace(a.verdict, batches=())) for a in history.attempts]


def test_an_attempt_is_found_by_its_number_and_not_by_its_index(store, again, run, make_attempt, verdicts) -> None:
    for number in (0, 3, 7):
        store.record(run, make_attempt(number, verdicts["crashed"], ask=store.ask(run, DIRECTIVE)))
    history = again.history(run)
    attempt = history.attempt(7)
    assert attempt is not None
    assert (attempt.number, attempt.ask_number) == (7, 2)
    assert history.attempt(2) is None
    assert history.highest_attempt == 7


def test_a_history_has_the_batches_of_promoted_attempts_only(again, run, write, verdicts) -> None:
    write(verdicts["tampered"])
    write(verdicts["promoted"])
    history = again.history(run)
    assert [len(attempt.verdict.batches) for attempt in history.attempts] == [0, 3]
    assert [len(again.batches(run, number)) for number in (0, 1, 2)] == [3, 3, 0]


# --- devices and model calls ---


def test_the_device_of_a_history_is_the_one_last_opened(store, again, run) -> None:
    device = Device(
        "EPYC",
        MeasuringKind.CPU,
        1.1e11,
        Unit.FP32,
        3,
        0.01,
        40.0,
        1,
        VendorLine("OpenBLAS", 2e4, 0.9),
        {"compiler": "cc"},
    )
    store.note(run, Event(EventKind.OPENED, AT, data=asdict(replace(device, peak=1.0))))
    store.note(run, Event(EventKind.OPENED, AT, data=asdict(device)))
    assert store.history(run).device == device
    read = again.history(run).device
    assert read == device
    assert (type(read.kind), type(read.unit)) == (MeasuringKind, Unit)


def test_model_calls_are_kept_and_their_usage_is_summed(store, again, run) -> None:
    usage = Usage(100, 20, 5, 50, 0.25)
    calls = [
        Exchange(0, "m", "[]", f"reply {i} ✓", "", usage, 1.5, "stop", i, AT + timedelta(seconds=i)) for i in range(2)
    ]
    exchanges = store.exchanges_of(run)
    for call in calls:
        exchanges.keep(call)
    assert exchanges.exchanges(0) == tuple(calls)
    assert exchanges.exchanges(1) == ()
    assert again.exchanges_of(run).exchanges(0) == tuple(calls)
    assert again.history(run).usage == store.history(run).usage == Usage(200, 40, 10, 100, 0.5)


def test_a_failed_model_call_is_read_back_with_its_error(store, again, run) -> None:
    failed = Exchange(0, "m", "[]", "", "", Usage(), 0.5, "", 2, AT, "HTTP 503: busy")
    store.keep(run, failed)
    assert again.exchanges(run, 0) == (failed,)


def test_an_unknown_price_makes_the_sum_unknown(store, run) -> None:
    store.keep(run, Exchange(0, "m", "[]", "r", "", Usage(1, 1, cost_usd=None), 1.0, "stop", 0, AT))
    assert store.history(run).usage.cost_usd is None
