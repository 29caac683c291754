"""Where the task of a run comes from: a log's copy is taken only if it is what its digest says, in one folder."""

from pathlib import Path

import pytest

from kernelsmith.app import trust
from kernelsmith.app.task_source import recorded_task, task_on_disk
from kernelsmith.core.run import RunConfig
from kernelsmith.core.snapshot import Snapshot, snapshot_of
from kernelsmith.errors import LogError, UsageError
from kernelsmith.log.store import open_store

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"


def task_of(snapshot: Snapshot, *, given: str | None = None, say=lambda line: None):
    """The task of a run that was started with these files, as it is found when the run goes on."""
    with open_store(Path("runs") / "attempts.db") as store:
        run = store.create_run(RunConfig("gone", "tuner"), name="night", task=snapshot)
        return recorded_task(store, store.history(run), given=given, say=say)


def test_a_task_is_taken_from_the_log_and_its_difference_is_one_line(working_folder):
    snapshot, lines = snapshot_of(SMALL), []
    task = task_of(snapshot, given=snapshot.digest, say=lines.append)
    assert task.digest == snapshot.digest
    assert task.folder.is_relative_to(working_folder / "runs" / "night")
    assert lines == ["gone: the task is gone since night was started; the log's own copy is used"]


@pytest.mark.parametrize("name", ["../../../../escaped", "{folder}/escaped"])
def test_a_file_whose_name_leads_out_of_the_folder_is_refused_even_if_it_is_trusted(working_folder, name):
    forged = Snapshot({**snapshot_of(SMALL).files, name.format(folder=working_folder): b"#!/bin/sh\n"})
    with pytest.raises(LogError, match="is not the task with the digest"):
        task_of(forged, given=forged.digest)
    assert not list(working_folder.rglob("escaped*"))


def test_a_folder_is_trusted_once_the_user_has_named_it(tmp_path):
    digest, benchmark = snapshot_of(SMALL).digest, SMALL / "benchmark.py"
    with pytest.raises(UsageError, match=f"--trust-task {digest}"):
        trust.require(digest, benchmark=benchmark, given=None)
    assert task_on_disk(str(SMALL)).digest == digest
    trust.require(digest, benchmark=benchmark, given=None)
    assert (tmp_path / "state" / "kernelsmith" / "trusted-tasks").read_text() == f"{digest}\n"


def test_an_installed_task_is_trusted_and_not_remembered(tmp_path):
    trust.require(task_on_disk("cpu_matmul").digest, benchmark=Path("benchmark.py"), given=None)
    assert not (tmp_path / "state").exists()
