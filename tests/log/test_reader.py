"""Test that a reader never waits for a writer, never writes, and returns what other processes add."""

import os
import shutil
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from log.plain import DATABASES, plain

from kernelsmith.core.attempt import Directive, Stance
from kernelsmith.core.run import Event, EventKind, Run
from kernelsmith.core.usage import Exchange, Usage
from kernelsmith.errors import LogError, UsageError
from kernelsmith.log import rows
from kernelsmith.log.reader import open_reader
from kernelsmith.log.store import Store, open_store

DIRECTIVE = Directive(Stance.REFINE)


@pytest.fixture
def run(store, config, task, make_attempt, verdicts) -> Run:
    """A run with one attempt."""
    run = store.create_run(config, name="r", task=task)
    store.record(run, make_attempt(0, verdicts["promoted"], ask=store.ask(run, DIRECTIVE)))
    return run


# --- processes that do one step at a time ---


class Steps:
    """A process that does one step for each line on stdin, and prints one line for each step."""

    def __init__(self, program: str, path: Path) -> None:
        command = [sys.executable, "-c", textwrap.dedent(program), str(path)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def step(self) -> str:
        """Let the process do its next step, and return the line that it prints."""
        self._pipe(self._process.stdin).write("\n")
        self._pipe(self._process.stdin).flush()
        return self._pipe(self._process.stdout).readline().strip()

    def end(self) -> int:
        """Close the pipes and return the exit status."""
        self._pipe(self._process.stdin).close()
        self._pipe(self._process.stdout).close()
        return self._process.wait()

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


@contextmanager
def process(program: str, path: Path) -> Iterator[Steps]:
    """Return a context manager that starts a process, ends it after the body, and checks its exit status."""
    steps = Steps(program, path)
    try:
        yield steps
    finally:
        assert steps.end() == 0


HOLDS_THE_WRITE_LOCK = """
    import sqlite3, sys
    connection = sqlite3.connect(sys.argv[1], isolation_level=None)
    sys.stdin.readline()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE attempts SET hypothesis = 'not committed'")
    print("held", flush=True)
    sys.stdin.readline()
    connection.execute("ROLLBACK")
    print("released", flush=True)
"""

WRITES = """
    import sys
    from kernelsmith.core.attempt import Directive, Stance
    from kernelsmith.log.store import open_store
    with open_store(sys.argv[1], create=False) as store:
        run = store.run("r")
        while sys.stdin.readline():
            print(store.ask(run, Directive(Stance.REFINE)).number, flush=True)
"""

READS = """
    import sys
    from kernelsmith.log.reader import open_reader
    with open_reader(sys.argv[1]) as log:
        run = log.run("r")
        while sys.stdin.readline():
            print(len(log.history(run).asks), flush=True)
"""


def test_a_reader_returns_while_a_writer_holds_the_lock(path, store, run) -> None:
    with process(HOLDS_THE_WRITE_LOCK, path) as writer:
        assert writer.step() == "held"
        with open_reader(path) as log:
            history = log.history(log.run("r"))
            assert [summary.attempts for summary in log.summaries()] == [1]
        # The writer releases the lock only now, so the calls above did not wait for it.
        assert writer.step() == "released"
    assert [attempt.proposal.hypothesis for attempt in history.attempts] == ["wider tiles"]


def test_a_reader_takes_no_lock_that_a_writer_waits_for(path, store, run) -> None:
    with open_reader(path) as log:
        with log._source.reading() as transaction:
            assert transaction.tuples("select count(*) from attempts") == [(1,)]
            store.ask(run, DIRECTIVE)
        assert len(log.history(run).asks) == 2


def test_two_readers_and_a_writer_work_at_the_same_time(path, store, run) -> None:
    with (
        process(READS, path) as first,
        process(READS, path) as second,
        process(WRITES, path) as writer,
        process(HOLDS_THE_WRITE_LOCK, path) as holder,
    ):
        assert (first.step(), second.step()) == ("1", "1")
        assert writer.step() == "1"
        assert (first.step(), second.step()) == ("2", "2")
        assert holder.step() == "held"
        assert (first.step(), second.step()) == ("2", "2")
        assert holder.step() == "released"
        assert writer.step() == "2"
        assert (second.step(), first.step()) == ("3", "3")


def test_a_reader_that_stays_open_returns_what_another_process_adds(
    path, store, run, make_attempt, verdicts, task
) -> None:
    with open_reader(path) as log:
        before = log.history(run)
        ask = store.ask(run, DIRECTIVE)
        assert log.history(run).open_asks == [ask]
        store.record(run, make_attempt(1, verdicts["passed"], ask=ask))
        assert [attempt.number for attempt in log.history(run).attempts] == [0, 1]
        store.note(run, Event(EventKind.PLATEAU, before.run.created_at))
        assert [event.kind for event in log.history(run).events] == [EventKind.PLATEAU]
        store.keep(run, Exchange(0, "m", "[]", "r", "", Usage(7), 1.0, "stop", 0, before.run.created_at))
        assert log.history(run).usage.prompt_tokens == 7
        assert log.history(run) == store.history(run)
        store.create_run(run.config, name="other", task=task)
        assert log.names() == ["r", "other"]
        assert len(before.attempts) == len(before.asks) == 1


def test_a_history_after_a_failed_read_holds_no_row_twice(
    path, store, run, make_attempt, verdicts, monkeypatch
) -> None:
    with open_reader(path) as log:
        log.history(run)
        ask = store.ask(run, DIRECTIVE, Event(EventKind.RUNG, run.created_at))
        store.record(run, make_attempt(1, verdicts["passed"], ask=ask))
        monkeypatch.delattr(rows, "attempt_of")
        with pytest.raises(AttributeError):
            log.history(run)
        monkeypatch.undo()
        assert log.history(run) == store.history(run)


def test_attempts_of_one_run_are_not_in_the_history_of_another(path, store, run, task, make_attempt, verdicts) -> None:
    with open_reader(path) as log:
        before = log.history(run)
        other = store.create_run(run.config, name="other", task=task)
        store.record(other, make_attempt(0, verdicts["passed"], ask=store.ask(other, DIRECTIVE)))
        assert log.history(run) == before
        assert len(log.history(other).attempts) == 1


def test_a_reader_writes_nothing(path, store, run) -> None:
    store.close()
    before, at = path.read_bytes(), path.stat().st_mtime_ns
    with open_reader(path) as log:
        log.history(log.run("r"))
        log.summaries()
        with pytest.raises(LogError, match="readonly"), log._source.reading() as transaction:
            transaction.tuples("delete from attempts")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, at)


def test_a_reader_does_not_change_the_wal_of_a_killed_writer(path, store, run, tmp_path) -> None:
    write_into_the_wal(store, run, path)
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", tmp_path / f"killed.db{suffix}")
    files = [tmp_path / "killed.db", tmp_path / "killed.db-wal"]
    before = [file.read_bytes() for file in files]
    with open_reader(files[0]) as log:
        assert len(log.history(run).asks) == 2
    assert [file.read_bytes() for file in files] == before


@pytest.mark.parametrize("content", [b"", None])
def test_an_empty_or_missing_file_is_refused_in_one_line_and_not_changed(tmp_path, content) -> None:
    path = tmp_path / "none.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match="`kernelsmith run") as caught:
        open_reader(path)
    assert "\n" not in str(caught.value)
    assert path.exists() == (content is not None)
    assert path.exists() is False or path.read_bytes() == b""


def test_a_reader_refuses_a_log_with_a_newer_schema(path, store, run) -> None:
    with plain(path) as connection:
        connection.execute("update schema set version = 99")
    with pytest.raises(UsageError, match="upgrade kernelsmith"):
        open_reader(path)


# --- a folder that cannot be written ---

READS_IN_READ_ONLY = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
# Without capabilities, root cannot write to read-only files and folders either.
assert libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0
from kernelsmith.log.reader import open_reader
folder = os.path.dirname(sys.argv[1])
assert not os.access(folder, os.W_OK)
with open_reader(sys.argv[1]) as log:
    history = log.history(log.run(log.names()[0]))
    print(len(history.attempts), len(history.asks), *sorted(os.listdir(folder)))
"""


def read_without_capabilities(path: Path) -> list[str]:
    """Read a log in a read-only folder without root's capabilities. Return the numbers of attempts and of
    asks in the first run, and the names of the files in the folder.
    """
    command = [sys.executable, "-c", READS_IN_READ_ONLY, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


@pytest.fixture
def read_in_read_only_folder(tmp_path) -> Iterator[Callable[[Path], list[str]]]:
    """Return a function that copies the folder of a log, makes the copy read-only, and reads the log in it; see
    read_without_capabilities.
    """
    folder = tmp_path / "read-only"

    def read(source: Path) -> list[str]:
        shutil.copytree(source.parent, folder, ignore=shutil.ignore_patterns("r"))
        for entry in (*folder.iterdir(), folder):
            entry.chmod(entry.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
        return read_without_capabilities(folder / source.name)

    yield read
    if folder.exists():
        folder.chmod(0o755)


def write_into_the_wal(store: Store, run: Run, path: Path) -> None:
    """Insert an ask that is stored only in the WAL file."""
    store.ask(run, DIRECTIVE)
    assert path.with_name(f"{path.name}-wal").stat().st_size > 0


def test_a_log_in_a_read_only_folder_is_read(path, store, run, read_in_read_only_folder) -> None:
    store.close()
    assert read_in_read_only_folder(path) == ["1", "1", "attempts.db"]


def test_an_old_log_in_a_read_only_folder_is_read(tmp_path, read_in_read_only_folder) -> None:
    (tmp_path / "old").mkdir()
    path = Path(shutil.copy(DATABASES / "v2.db", tmp_path / "old" / "v2.db"))
    assert read_in_read_only_folder(path) == ["3", "3", "v2.db"]


def test_rows_that_only_the_wal_holds_are_read_in_a_read_only_folder(
    path, store, run, read_in_read_only_folder
) -> None:
    write_into_the_wal(store, run, path)
    files = ["attempts.db", "attempts.db-shm", "attempts.db-wal"]
    assert read_in_read_only_folder(path) == ["1", "2", *files]


def test_a_wal_whose_index_is_missing_is_read_in_a_read_only_folder(
    path, store, run, tmp_path, read_in_read_only_folder
) -> None:
    write_into_the_wal(store, run, path)
    (tmp_path / "copy").mkdir()
    for name in ("attempts.db", "attempts.db-wal"):
        shutil.copy(path.with_name(name), tmp_path / "copy" / name)
    assert read_in_read_only_folder(tmp_path / "copy" / path.name) == ["1", "2", "attempts.db", "attempts.db-wal"]


def test_a_log_behind_a_symbolic_link_is_read_with_its_wal(path, store, run, tmp_path) -> None:
    write_into_the_wal(store, run, path)
    link = tmp_path / "links" / "log.db"
    link.parent.mkdir()
    os.symlink(path, link)
    link.parent.chmod(0o555)
    assert read_without_capabilities(link) == ["1", "2", "log.db"]
    link.parent.chmod(0o755)


def test_a_url_names_the_same_log(path, store, run) -> None:
    with open_reader(f"sqlite:///{path}") as log, open_store(f"sqlite:///{path}", create=False) as again:
        assert log.history(run) == again.history(run)
        assert log.path == path


def test_a_path_with_special_characters_of_urls_is_read(tmp_path, config, task) -> None:
    path = tmp_path / "a b?mode=rw#c%20" / "ü.db"
    with open_store(path) as store:
        run = store.create_run(config, name="r", task=task)
    with open_reader(path) as log:
        assert log.run("r") == run
