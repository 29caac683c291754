"""Logs of an older kernelsmith: read as they are, converted by a writer, and gone on with where their task is there."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

DATABASES = Path(__file__).parents[1] / "log" / "databases"
OLD = sorted([*DATABASES.glob("v[123].db"), *DATABASES.glob("recorded/*.db")])


BOOKKEEPING = ("attempts.db-shm", "attempts.db-wal")
"""SQLite makes both beside a database in WAL mode that it reads; the second holds what the database lacks."""


def version(path: Path) -> int:
    """The schema version of a database."""
    connection = sqlite3.connect(path)
    (found,) = connection.execute("SELECT version FROM schema").fetchone()
    connection.close()
    return int(found)


@pytest.mark.parametrize("database", OLD, ids=lambda path: path.stem)
def test_reading_an_old_log_leaves_it_as_it_is(cli, tmp_path, database):
    folder = tmp_path / "old"
    folder.mkdir()
    shutil.copy(database, folder / "attempts.db")
    before = (folder / "attempts.db").read_bytes()
    db = ["--db", "old/attempts.db"]
    listed = json.loads(cli("runs", "--json", *db).stdout)
    shown = json.loads(cli("show", listed[0]["name"], "--json", *db).stdout)
    assert len(shown["attempts"]) == listed[0]["attempts"] > 0
    assert (folder / "attempts.db").read_bytes() == before
    left = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert not left.keys() - {"attempts.db", *BOOKKEEPING}
    assert not left.get(BOOKKEEPING[1])


def test_migrate_converts_an_old_log_once(cli, tmp_path):
    shutil.copy(DATABASES / "v3.db", tmp_path / "old.db")
    before = cli("show", "recorded", "--json", "--db", "old.db").stdout
    assert (version(tmp_path / "old.db"), version(DATABASES / "v3.db")) == (3, 3)
    for _ in range(2):
        done = cli("migrate", "--db", "old.db")
        assert (done.returncode, done.stdout) == (0, "")
        assert version(tmp_path / "old.db") == 4
    assert cli("show", "recorded", "--json", "--db", "old.db").stdout == before


@pytest.fixture
def old_run(tmp_path: Path, mine: Path) -> Callable[..., Path]:
    """Make a log of schema 3, which keeps no task, with a run of an own folder."""

    def make(digest: str) -> Path:
        path = Path(shutil.copy(DATABASES / "v3.db", tmp_path / "old.db"))
        with sqlite3.connect(path) as log:
            config = "json_set(config, '$.task', ?, '$.calibration_s', 0.1)"
            log.execute(f"UPDATE runs SET config = {config}, task_digest = ?", (str(mine), digest))
        log.close()
        return mine

    return make


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_run_without_a_copy_of_its_task_is_refused_where_the_folder_is_another_one(cli, old_run, is_deleted):
    folder = old_run("0" * 64)
    if is_deleted:
        shutil.rmtree(folder)
    for command in (["resume", "recorded", "--attempts", "1"], ["replay", "recorded", "--measure", "best"]):
        done = cli(*command, "--db", "old.db")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert str(folder) in done.stderr
        assert "restore the folder" in done.stderr
    assert cli("show", "recorded", "--db", "old.db").returncode == 0


def test_a_run_without_a_copy_of_its_task_takes_the_folder_that_is_the_same(cli, old_run, tmp_path):
    from kernelsmith.core.snapshot import snapshot_of

    folder = old_run(snapshot_of(Path(__file__).parents[1] / "tasks" / "small_matmul").digest)
    command = ["replay", "recorded", "--measure", "all", "--db", "old.db"]
    refused = cli(*command, XDG_STATE_HOME=str(tmp_path / "state"))
    assert refused.returncode == 2
    digest = refused.stderr.split("--trust-task ")[1].split()[0]
    assert digest == snapshot_of(folder).digest
    done = cli(*command, "--trust-task", digest, XDG_STATE_HOME=str(tmp_path / "state"))
    assert done.returncode == 1, "the recorded candidates of that log are no kernels"
    assert "passed when recorded, not now" in done.stderr
