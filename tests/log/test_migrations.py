"""Test that a database of every schema version is read without a change, and migrated by a writer without a loss."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from log.plain import COMMITTED, DATABASES, RECORDED, plain, query

from kernelsmith.core.attempt import Attempt, NoCandidate
from kernelsmith.core.history import History
from kernelsmith.core.verdict import Figure
from kernelsmith.errors import LogError, UsageError
from kernelsmith.log import migrations, opening, tables
from kernelsmith.log.migrations import STEPS
from kernelsmith.log.reader import Reader, open_reader
from kernelsmith.log.schema import VERSION
from kernelsmith.log.store import open_store

OLD = [path for path in COMMITTED if path.stem != f"v{VERSION}"]
V3 = DATABASES / "v3.db"


def name(path: Path) -> str:
    """Return the name of a test's case for a database."""
    return path.stem


every_database = pytest.mark.parametrize("committed", [*COMMITTED, *RECORDED], ids=name)
every_old_database = pytest.mark.parametrize("committed", [*OLD, *RECORDED], ids=name)


def version(path: Path) -> int:
    """Return the schema version that a database holds."""
    (row,) = query(path, "select version from schema")
    return int(row[0])


def histories(log: Reader) -> dict[str, History]:
    """Return the history of every run of a log, by the run's name."""
    return {run: log.history(log.run(run)) for run in log.names()}


# --- every version opens ---


def test_every_version_has_its_database() -> None:
    assert [path.stem for path in COMMITTED] == [f"v{number}" for number in range(1, VERSION + 1)]
    assert [version(path) for path in COMMITTED] == list(range(1, VERSION + 1))


def test_every_version_has_the_step_that_leads_to_it() -> None:
    assert len(STEPS) == VERSION


@every_database
def test_a_reader_leaves_the_database_as_it_was(copied, committed) -> None:
    path = copied(committed)
    before, at = path.read_bytes(), path.stat().st_mtime_ns
    with open_reader(path) as log:
        assert histories(log)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, at)
    assert version(path) == version(committed)


@every_database
def test_a_migrated_database_has_the_histories_that_a_reader_returns(copied, committed) -> None:
    with open_reader(copied(committed)) as log:
        read = histories(log)
    with open_store(copied(committed), create=False) as store:
        assert version(store.path) == VERSION
        assert histories(store) == read


@pytest.mark.parametrize("committed", COMMITTED, ids=name)
def test_a_database_of_every_version_holds_its_three_attempts(copied, committed) -> None:
    with open_reader(copied(committed)) as log:
        history = log.history(log.run("recorded"))
        assert [str(attempt.verdict.status) for attempt in history.attempts] == ["build_failed", "passed", "passed"]
        best = history.incumbent
        assert best is not None
        assert best.candidate is not None
        assert best.number == 2
        assert len(log.batches(history.run, best.number)) == 3
        assert dict(best.verdict.durations_s) == {"build": 0.5, "timing": 1.5}
        assert dict(best.verdict.facts.instructions) == {"fma": 9}


# --- a migrated log holds everything that the old log held ---


@every_old_database
def test_every_figure_of_an_old_log_is_kept(copied, committed) -> None:
    rows = query(committed, "select runs.name as run, a.* from attempts a join runs on runs.id = a.run_id")
    with open_reader(copied(committed)) as log:
        attempts = {(run, a.number): a for run, history in histories(log).items() for a in history.attempts}
    assert len(attempts) == len(rows)
    for row in rows:
        assert figures(attempts[row["run"], row["number"]]) == old_figures(dict(row))


FACTS = ("registers", "spill_bytes", "stack_bytes", "shared_bytes", "occupancy", "text_bytes", "vector_bits")
MEASURED = (
    "time_us", "utilization", "rate", "peak", "unit", "pilot_us", "vendor_ratio", "vendor_paired", "single_us",
    "sustained_us", "utilization_at_clock",
)  # fmt: skip


def figures(attempt: Attempt) -> dict[str, Any]:
    """Return the figures of an attempt that the columns of schema 3 hold."""
    verdict, measured, duel = attempt.verdict, attempt.verdict.measurement, attempt.verdict.duel
    return {
        "proposal": (attempt.proposal.origin, attempt.proposal.parent, attempt.proposal.hypothesis),
        "status": (verdict.status, verdict.detail, verdict.promotion, verdict.isolation),
        "facts": {name: getattr(verdict.facts, name) for name in FACTS},
        "measured": {name: getattr(measured, name) for name in MEASURED} if measured else None,
        "interval": (measured.interval_us.low, measured.interval_us.high) if measured else None,
        "duel": (duel.speedup, duel.interval.low, duel.interval.high, duel.quads) if duel else None,
        "instructions": dict(verdict.facts.instructions),
        "durations_s": dict(verdict.durations_s),
        "guards_s": dict(verdict.guards_s),
        "texts": (list(verdict.facts.warnings), list(verdict.notes)),
        "params": dict(attempt.candidate.params) if attempt.candidate else None,
        "when": (attempt.started_at.isoformat(), attempt.seconds),
    }


def old_figures(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same figures as `figures` does, from a row of schema 1, 2 or 3."""
    has_time, has_duel = row["time_us"] is not None, row["duel_speedup"] is not None
    return {
        "proposal": (row["origin"], row["parent"], row["hypothesis"]),
        "status": (row["status"], row["detail"], row["promotion"], row["isolation"]),
        "facts": {name: row[name] for name in FACTS},
        "measured": {name: row.get(name) for name in MEASURED} if has_time else None,
        "interval": (row["time_low_us"], row["time_high_us"]) if has_time else None,
        "duel": (row["duel_speedup"], row["duel_low"], row["duel_high"], row["duel_quads"]) if has_duel else None,
        "instructions": parsed(row["instructions"]),
        "durations_s": parsed(row["durations_s"]),
        "guards_s": parsed(row.get("guards_s")),
        "texts": (json.loads(row["warnings"]), json.loads(row["notes"])),
        "params": json.loads(row["params"]) if row["source_digest"] else None,
        "when": (row["started_at"], row["seconds"]),
    }


def parsed(text: str | None) -> dict[str, float]:
    """Return the figures by name from a JSON column; an empty column gives an empty dictionary."""
    return (json.loads(text) if text else None) or {}


@every_old_database
def test_every_attempt_of_an_old_log_answers_the_ask_of_its_number(copied, committed) -> None:
    rows = query(committed, "select runs.name as run, a.* from asks a join runs on runs.id = a.run_id")
    with open_reader(copied(committed)) as log:
        runs = histories(log)
    asks = {(run, ask.number): ask for run, history in runs.items() for ask in history.asks}
    for row in rows:
        ask = asks[row["run"], row["number"]]
        assert (ask.directive.stance, ask.directive.parent, ask.directive.reason, ask.seen) == (
            row["stance"], row["parent"], row["reason"], row["number"] - 1,
        )  # fmt: skip
    attempts = [attempt for history in runs.values() for attempt in history.attempts]
    assert {(a.ask_number - a.number, a.trial) for a in attempts} == {(0, 0)}


@every_old_database
def test_an_old_attempt_has_the_line_that_a_new_attempt_would_get(copied, committed) -> None:
    with open_reader(copied(committed)) as log:
        for history in histories(log).values():
            for attempt in history.attempts:
                assert attempt.line == history.line_of(attempt.ask, attempt.proposal, number=attempt.number)


@pytest.mark.parametrize("committed", RECORDED, ids=name)
def test_the_card_of_an_old_attempt_is_the_device_that_was_opened_before_it(copied, committed) -> None:
    with open_reader(copied(committed)) as log:
        for history in histories(log).values():
            for attempt in history.attempts:
                device = history.device_of(attempt)
                assert device is not None
                assert attempt.card == device.name


def test_an_old_attempt_without_a_candidate_has_no_card(copied) -> None:
    path = copied(RECORDED[0])
    with plain(path) as connection:
        connection.execute(
            "update attempts set source_digest = null, status = 'no_candidate', time_us = null, promotion = null"
        )
    with open_reader(path) as log:
        assert {attempt.card for history in histories(log).values() for attempt in history.attempts} == {""}


@every_old_database
def test_a_migrated_run_has_the_same_uuid_in_every_copy(copied, committed) -> None:
    uuids = []
    for _ in range(2):
        with open_reader(copied(committed)) as log:
            uuids.append([log.run(run).uuid for run in log.names()])
    assert uuids[0] == uuids[1]
    assert len(set(uuids[0])) == len(uuids[0])
    assert {len(uuid) for uuid in uuids[0]} == {36}


# --- two recorded runs ---


def test_the_recorded_runs_keep_their_numbers_of_attempts_and_their_best(copied) -> None:
    results = {}
    for recorded in RECORDED:
        with open_reader(copied(recorded)) as log:
            for run, history in histories(log).items():
                best = history.incumbent
                assert best is not None
                results[run] = (len(history.attempts), history.answered, history.sweep_trials, best.number)
                assert history.open_asks == []
    assert results == {"cpu_matmul-1": (60, 60, 0, 30), "llm": (16, 16, 0, 13), "hopper_fp8_matmul": (72, 72, 0, 25)}


def test_the_model_calls_of_the_recorded_run_are_read(copied) -> None:
    (recorded,) = (path for path in RECORDED if path.stem == "model_cpu")
    (sums,) = query(recorded, "select sum(prompt_tokens), sum(completion_tokens), sum(reasoning_tokens) from exchanges")
    with open_reader(copied(recorded)) as log:
        run = log.run("llm")
        usage = log.history(run).usage
        calls = [call for ask in range(16) for call in log.exchanges(run, ask)]
    assert (usage.prompt_tokens, usage.completion_tokens, usage.reasoning_tokens) == tuple(sums)
    assert usage.cost_usd is None
    assert len(calls) == 15
    assert all(call.reply and call.finish_reason == "stop" and not call.error for call in calls)


def test_figures_that_old_notes_call_disturbed_are_disturbed(copied) -> None:
    disturbed = {}
    for recorded in RECORDED:
        with open_reader(copied(recorded)) as log:
            for run, history in histories(log).items():
                disturbed |= {
                    (run, a.number): set(a.verdict.disturbed) for a in history.attempts if a.verdict.disturbed
                }
    timing, duel, vendor = {Figure.TIMING}, {Figure.DUEL}, {Figure.VENDOR}
    tuner = dict.fromkeys((12, *range(42, 49), 50, 59), timing) | dict.fromkeys((31, 32, 33, 35, 57), duel)
    tuner |= dict.fromkeys((4, 30), vendor) | {55: timing | duel}
    model = {2: timing | vendor, 3: vendor, 4: duel, 13: duel}
    assert {number: disturbed.pop(("cpu_matmul-1", number), None) for number in tuner} == tuner
    assert {number: disturbed.pop(("llm", number), None) for number in model} == model
    assert disturbed == {}


# --- texts of an old log that become values ---


@pytest.mark.parametrize(
    ("reason", "kind", "said"),
    [
        ("the reply was cut off at the token limit", NoCandidate.CUT_OFF, ""),
        ("the endpoint withheld the reply (content_filter)", NoCandidate.WITHHELD, ""),
        ("the fenced block never ends", NoCandidate.UNENDED_BLOCK, ""),
        ("the fenced block is empty", NoCandidate.EMPTY_BLOCK, ""),
        ("the reply was empty", NoCandidate.EMPTY_REPLY, ""),
        ("no fenced block: I: give 'up' ✗", NoCandidate.NO_BLOCK, "I: give 'up' ✗"),
        ("the model gave up", NoCandidate.NO_BLOCK, ""),
    ],
)
def test_an_old_reason_for_no_candidate_becomes_a_kind_and_the_beginning_of_the_reply(
    copied, reason, kind, said
) -> None:
    path = copied(V3)
    with plain(path) as connection:
        connection.execute(
            "update attempts set status = 'no_candidate', source_digest = null, language = null, params = 'null', "
            "detail = ?, reason = ? where number = 0",
            (reason, reason),
        )
    with open_reader(path) as log:
        attempt, *others = log.history(log.run("recorded")).attempts
    assert attempt.candidate is None
    assert [other.proposal.reason for other in others] == [None, None]
    assert (attempt.proposal.reason, attempt.proposal.said) == (kind, said)
    assert attempt.verdict.detail == reason


def test_an_old_failed_call_has_its_error_separate_from_its_finish_reason(copied) -> None:
    path = copied(V3)
    with plain(path) as connection:
        connection.execute("insert into blobs values ('d', x'789c030000000001')")
        for finish in ("error: HTTP 503: busy", "stop", "an error: no"):
            connection.execute(
                "insert into exchanges (run_id, ask_number, model, prompt_digest, reply_digest, reasoning_digest, "
                "prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens, latency_s, finish_reason, retries, "
                "at) values (1, 0, 'm', 'd', 'd', 'd', 1, 1, 0, 0, 1.0, ?, 0, '2026-11-23T09:00:00+00:00')",
                (finish,),
            )
    with open_reader(path) as log:
        calls = log.exchanges(log.run("recorded"), 0)
    assert [(c.error, c.finish_reason) for c in calls] == [
        ("HTTP 503: busy", ""), ("", "stop"), ("", "an error: no"),
    ]  # fmt: skip


def test_an_audit_that_an_old_note_calls_disturbed_is_disturbed(copied) -> None:
    path = copied(V3)
    note = "the audit: disturbed, and once more when it was timed again: something else ran"
    with plain(path) as connection:
        connection.execute(
            "update attempts set notes = json_array('case a: timed again, for it was disturbed: x', ?)", (note,)
        )
    with open_reader(path) as log:
        assert {a.verdict.disturbed for a in log.history(log.run("recorded")).attempts} == {(Figure.AUDIT,)}


# --- a migrated database has the same schema as a new one ---


def schema(path: Path) -> dict[str, Any]:
    """Return the tables, columns, indexes, foreign keys and views of a database, as SQLite reports them."""
    with plain(path) as connection:

        def pragma(kind: str, subject: str) -> list[tuple[Any, ...]]:
            return sorted(tuple(row) for row in connection.execute(f"pragma {kind}('{subject}')"))

        def indexes(table: str) -> list[Any]:
            index_rows = connection.execute(f"pragma index_list('{table}')").fetchall()
            return sorted((i["unique"], i["partial"], pragma("index_info", i["name"])) for i in index_rows)

        objects = connection.execute("select name, type, sql from sqlite_master where type in ('table', 'view')")
        return {
            row["name"]: (
                row["type"], pragma("table_info", row["name"]), indexes(row["name"]),
                pragma("foreign_key_list", row["name"]), row["sql"] if row["type"] == "view" else "",
                "WITHOUT ROWID" in row["sql"],
            )
            for row in objects.fetchall()
        }  # fmt: skip


@every_old_database
def test_a_migrated_database_has_the_schema_of_a_new_one(copied, tmp_path, committed) -> None:
    open_store(tmp_path / "new.db").close()
    path = copied(committed)
    open_store(path, create=False).close()
    assert schema(path) == schema(tmp_path / "new.db")


def test_the_committed_database_of_the_current_version_has_the_schema_of_a_new_one(tmp_path) -> None:
    open_store(tmp_path / "new.db").close()
    assert schema(DATABASES / f"v{VERSION}.db") == schema(tmp_path / "new.db")


def test_the_tables_that_the_program_describes_are_those_of_the_schema(path) -> None:
    open_store(path).close()
    names = [row[0] for row in query(path, "select name from sqlite_master where type = 'table'")]
    columns = {table: [row["name"] for row in query(path, f"pragma table_info('{table}')")] for table in names}
    assert {table.name: list(table.c.keys()) for table in tables.metadata.tables.values()} == columns


@every_old_database
def test_a_migrated_database_passes_the_checks_of_sqlite(copied, committed) -> None:
    path = copied(committed)
    open_store(path, create=False).close()
    assert [tuple(row) for row in query(path, "pragma integrity_check")] == [("ok",)]
    assert query(path, "pragma foreign_key_check") == []


def test_metrics_are_stored_by_attempt_and_name_without_a_rowid(path) -> None:
    open_store(path).close()
    (row,) = query(path, "select sql from sqlite_master where name = 'metrics'")
    assert row["sql"].endswith("PRIMARY KEY (attempt_id, name)\n) WITHOUT ROWID")


# --- a migration that fails, and two at once ---


@every_old_database
def test_a_migration_that_fails_half_way_leaves_the_database_as_it_was(copied, committed, monkeypatch) -> None:
    path = copied(committed)
    before = contents(path)

    def fails(connection: Any) -> None:
        STEPS[-1](connection)
        connection.exec_driver_sql("insert into nowhere values (1)")

    monkeypatch.setattr(migrations, "STEPS", (*STEPS[:-1], fails))
    for open_it in (open_store, open_reader):
        with pytest.raises(LogError, match="nowhere"):
            open_it(path)
    assert contents(path) == before
    monkeypatch.undo()
    with open_store(path) as store:
        assert histories(store)


def contents(path: Path) -> list[str]:
    """Return the schema and all rows of a database as SQL statements."""
    with plain(path) as connection:
        return list(connection.iterdump())


MIGRATES = textwrap.dedent("""
    import sys
    from kernelsmith.log import migrations
    from kernelsmith.log.store import open_store

    def counted(step):
        def up(connection):
            print("step", flush=True)
            step(connection)
        return up

    migrations.STEPS = tuple(counted(step) for step in migrations.STEPS)
    print("ready", flush=True)
    sys.stdin.readline()
    with open_store(sys.argv[1]) as store:
        print(*store.names(), flush=True)
""")


@pytest.mark.parametrize("start", [0, *range(1, VERSION)])
def test_one_of_several_processes_that_migrate_at_once_migrates_and_all_continue(tmp_path, copied, start) -> None:
    path = copied(DATABASES / f"v{start}.db") if start else tmp_path / "new.db"
    command = [sys.executable, "-c", MIGRATES, str(path)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate()[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert sum(line == "step" for lines in outputs for line in lines) == VERSION - start
    assert {lines[-1] for lines in outputs} == ({"recorded"} if start else {""})


# --- old and large ---


@every_old_database
def test_a_large_old_database_is_refused_with_the_command_that_converts_it(copied, committed, monkeypatch) -> None:
    path = copied(committed)
    monkeypatch.setattr(opening, "LARGEST_COPY_BYTES", path.stat().st_size - 1)
    with pytest.raises(UsageError, match=f"`kernelsmith migrate --db {path}`") as caught:
        open_reader(path)
    assert "\n" not in str(caught.value)
    open_store(path).close()
    with open_reader(path) as log:
        assert histories(log)


def test_a_private_copy_is_removed_when_the_reader_is_closed(copied, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "private"))
    (tmp_path / "private").mkdir()
    with open_reader(copied(V3)):
        assert list((tmp_path / "private").iterdir())
    assert list((tmp_path / "private").iterdir()) == []
