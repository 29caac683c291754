"""A log that comes from elsewhere: it names no place outside of its folder, and its settings are not followed."""

import sqlite3
from pathlib import Path

import pytest

from kernelsmith.app import trust
from kernelsmith.app.replay import judge_again
from kernelsmith.app.resume import TaskChoice, resume
from kernelsmith.app.session import SessionParts
from kernelsmith.app.start import start
from kernelsmith.core.run import Budget, RunConfig
from kernelsmith.core.snapshot import snapshot_of
from kernelsmith.errors import ConfigError, LogError, UsageError
from kernelsmith.log.reader import open_reader
from kernelsmith.log.store import open_store
from kernelsmith.propose.replay import Selection

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"
LOG = Path("runs") / "attempts.db"


def foreign_run(task: str = str(SMALL), **settings) -> None:
    """Write a run named night that was not started on this machine; its task may run here."""
    snapshot = snapshot_of(SMALL)
    trust.remember_task(snapshot)
    with open_store(LOG) as store:
        config = RunConfig(task, settings.pop("proposer", "tuner"), Budget(attempts=2), **settings)
        store.create_run(config, name="night", task=snapshot)


def change(statement: str, *values: str) -> None:
    with sqlite3.connect(LOG) as connection:
        connection.execute(statement, values)
    connection.close()


@pytest.mark.parametrize("name", ["../victim", "/elsewhere/victim", "..", ".hidden", ""])
def test_a_run_whose_name_leads_out_of_the_folder_is_refused(name):
    foreign_run()
    change("UPDATE runs SET name = ?", name)
    with open_reader(LOG) as log:
        assert [run.name for run in log.summaries()] == [name]
        with pytest.raises(UsageError, match="the log was changed"):
            log.run(name)
    with pytest.raises(UsageError, match="the log was changed"):
        resume(name)


def test_a_run_whose_device_has_a_script_elsewhere_is_refused_until_it_is_trusted():
    foreign_run(device="scripted:/elsewhere/card.toml")
    with pytest.raises(UsageError, match="names the script of its device"):
        resume("night")
    with pytest.raises(UsageError, match="no such file"):
        resume("night", task=TaskChoice(with_its_settings=True))


@pytest.mark.parametrize("task", ["a/..", "/", ""])
def test_a_task_whose_name_leads_out_of_the_folder_is_refused(working_folder, task):
    kept = working_folder / "runs" / "night" / "task" / "precious.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    foreign_run(task)
    with pytest.raises(LogError, match="is no task's name"):
        resume("night")
    assert kept.read_text() == "mine"


def test_the_interpreter_that_a_foreign_log_names_is_not_started(working_folder, scripted):
    ran = working_folder / "ran"
    evil = working_folder / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {ran}\n")
    evil.chmod(0o755)
    foreign_run(harness_python=str(evil), trust_candidates=True)
    with resume("night", parts=SessionParts(harness=scripted)) as session:
        session.run()
    judge_again("night", Selection.BEST)
    assert not ran.exists()


def test_the_key_is_not_sent_to_the_endpoint_that_a_foreign_log_names():
    foreign_run(proposer="model", model="m", base_url="http://127.0.0.1:1/v1")
    with pytest.raises(UsageError, match=r"names the endpoint http://127.0.0.1:1/v1, .* --trust-run"):
        resume("night")
    with pytest.raises(UsageError, match="--base-url: model endpoint"):
        resume("night", task=TaskChoice(with_its_settings=True))


def test_a_run_that_was_started_here_keeps_its_settings(scripted):
    with start(
        str(SMALL), name="mine", attempts=1, trust_candidates=True, parts=SessionParts(harness=scripted)
    ) as session:
        session.run()
    with resume("mine", attempts=1, parts=SessionParts(harness=scripted)) as session:
        assert session.history().run.config.trust_candidates


def test_a_foreign_folder_is_not_taken_unasked():
    foreign_run()
    trust._file(trust.TASKS).unlink()
    with pytest.raises(UsageError, match="--trust-task"):
        resume("night", task=TaskChoice(from_disk=True))


def test_a_setting_that_a_resumed_run_keeps_is_refused():
    foreign_run()
    with pytest.raises(ConfigError, match="seed: a resumed run keeps its own"):
        resume("night", seed=3)


def test_what_this_program_does_not_know_is_one_line():
    foreign_run()
    change("INSERT INTO events (run_id, kind, at, data) VALUES (1, ?, '2026-11-27T00:00:00+00:00', '{}')", "eclipse")
    with open_reader(LOG) as log, pytest.raises(LogError, match=r"does not understand: .*eclipse"):
        log.history(log.run("night"))
