"""Where the task of a run comes from: a log's copy is taken only if it is what its digest says, in one folder."""

import shutil
from pathlib import Path

import pytest

from kernelsmith import paths
from kernelsmith.app import trust
from kernelsmith.app.task_source import recorded_task, task_on_disk
from kernelsmith.core.run import RunConfig
from kernelsmith.core.snapshot import Snapshot, snapshot_of
from kernelsmith.errors import LogError, UsageError
from kernelsmith.log.store import open_store

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"


def task_of(snapshot: Snapshot, *, trusted: str | None = None, say=lambda line: None):
    """The task of a run that was started with these files, as it is found when the run goes on."""
    with open_store(Path("runs") / "attempts.db") as store:
        run = store.create_run(RunConfig("gone", "tuner"), name="night", task=snapshot)
        return recorded_task(store, store.history(run), trusted=trusted, say=say)


def test_a_task_is_taken_from_the_log_and_its_difference_is_one_line(working_folder):
    snapshot, lines = snapshot_of(SMALL), []
    task = task_of(snapshot, trusted=snapshot.digest, say=lines.append)
    assert task.digest == snapshot.digest
    assert task.folder.is_relative_to(working_folder / "runs" / "night")
    assert lines == ["gone: the task is gone since night was started; the log's own copy is used"]


@pytest.mark.parametrize("name", ["../../../../escaped", "{folder}/escaped"])
def test_a_file_whose_name_leads_out_of_the_folder_is_refused_even_if_it_is_trusted(working_folder, name):
    forged = Snapshot({**snapshot_of(SMALL).files, name.format(folder=working_folder): b"#!/bin/sh\n"})
    with pytest.raises(LogError, match="is not the task with the digest"):
        task_of(forged, trusted=forged.digest)
    assert not list(working_folder.rglob("escaped*"))


def test_a_folder_is_trusted_once_the_user_has_named_it(tmp_path):
    task, benchmark = snapshot_of(SMALL), SMALL / "benchmark.py"
    with pytest.raises(UsageError, match=f"--trust-task {task.digest}"):
        trust.require_task(task, benchmark=benchmark, trusted=None)
    assert task_on_disk(str(SMALL)).digest == task.digest
    trust.require_task(task, benchmark=benchmark, trusted=None)
    assert (tmp_path / "state" / "kernelsmith" / "trusted-tasks").read_text() == f"{task.fingerprint}\n"


def test_an_installed_task_is_trusted():
    trust.require_task(snapshot_of(paths.tasks_folder() / "cpu_matmul"), benchmark=Path("benchmark.py"), trusted=None)


def test_an_installed_task_that_was_named_is_trusted_after_it_has_changed(tmp_path, monkeypatch):
    shutil.copytree(paths.tasks_folder() / "cpu_matmul", tmp_path / "tasks" / "cpu_matmul")
    monkeypatch.setattr(paths, "tasks_folder", lambda: tmp_path / "tasks")
    before = snapshot_of(task_on_disk("cpu_matmul").folder)
    (tmp_path / "tasks" / "cpu_matmul" / "description.md").write_text("another one")
    trust.require_task(before, benchmark=Path("benchmark.py"), trusted=None)


def test_files_that_are_cut_at_other_places_are_another_task():
    one = Snapshot({"a": b"x\0b\0EVIL\0c\0junk", "b": b"GOOD"})
    other = Snapshot({"a": b"x", "b": b"EVIL", "c": b"junk\0b\0GOOD"})
    assert one.digest == other.digest, "the digest holds no lengths"
    assert one.fingerprint != other.fingerprint
    trust.remember_task(one)
    with pytest.raises(UsageError, match="--trust-task"):
        trust.require_task(other, benchmark=Path("b"), trusted=None)
