"""Test files that are no log, newer schemas, full disks, read-only files, killed writers, and two writers at once."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from kernelsmith.core.run import RunConfig
from kernelsmith.errors import LogError, UsageError
from kernelsmith.log.schema import VERSION
from kernelsmith.log.store import open_store

CONFIG = RunConfig(task="cpu_matmul", proposer="tuner")

WRITER = textwrap.dedent("""
    import sys
    from datetime import UTC, datetime
    from kernelsmith.core.attempt import *
    from kernelsmith.core.candidate import Candidate, Language
    from kernelsmith.core.run import RunConfig
    from kernelsmith.core.snapshot import Snapshot
    from kernelsmith.core.verdict import Status, Verdict
    from kernelsmith.log.store import open_store

    path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with open_store(path) as store:
        if name not in store.names():
            store.create_run(RunConfig(task="t", proposer="tuner"), name=name, task=Snapshot({"a": b"a"}))
        run = store.run(name)
        with store.hold(run):
            while len(attempts := store.history(run).attempts) < count:
                history = store.history(run)
                ask = history.open_asks[0] if history.open_asks else store.ask(run, Directive(Stance.REFINE))
                proposal = Proposal(Origin.TUNER, "", Candidate(f"{name} {ask.number}" * 50, Language.C))
                number = history.highest_attempt + 1
                verdict = Verdict(Status.CRASHED, "x")
                store.record(run, Attempt(number, ask, 0, proposal, verdict, datetime.now(UTC), 1.0))
                print(number, flush=True)
""")


def write(path: Path, name: str, count: int) -> "subprocess.Popen[str]":
    """Start a process that records attempts and prints the number of each attempt after it is on disk."""
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_every_attempt_that_a_killed_process_recorded_is_in_the_log(path) -> None:
    rng, printed = random.Random(5), set[int]()
    for _ in range(8):
        process = write(path, "victim", 10_000)
        assert process.stdout is not None
        printed.add(int(process.stdout.readline()))
        time.sleep(rng.uniform(0.0, 0.15))
        os.kill(process.pid, signal.SIGKILL)
        printed |= {int(line) for line in process.stdout.read().split()}
        process.stdout.close()
        process.wait()
    with open_store(path, create=False) as store:
        numbers = [attempt.number for attempt in store.history(store.run("victim")).attempts]
    assert numbers == list(range(len(numbers)))
    assert printed <= set(numbers)
    assert len(numbers) - len(printed) <= 8, "at most one attempt per killed process was written but not yet printed"


def test_two_processes_write_to_one_database(path) -> None:
    with open_store(path):
        pass
    processes = [write(path, name, 40) for name in ("left", "right")]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
    with open_store(path, create=False) as store:
        assert [len(store.history(store.run(name)).attempts) for name in ("left", "right")] == [40, 40]


def test_two_processes_cannot_work_on_one_run(path, task) -> None:
    with open_store(path) as store:
        run = store.create_run(CONFIG, name="r", task=task)
        with store.hold(run):
            other = open_store(path)
            with pytest.raises(UsageError, match=f"run r: process {os.getpid()} works on it"), other.hold(run):
                pass
            other.close()
        with store.hold(run):
            pass


def test_a_missing_database_is_named_with_the_remedy(tmp_path) -> None:
    with pytest.raises(UsageError, match="no attempt log exists; `kernelsmith run TASK` creates one"):
        open_store(tmp_path / "none.db", create=False)
    assert not (tmp_path / "none.db").exists()


def test_a_file_that_is_no_database_is_refused_and_not_changed(tmp_path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, and they are long enough to be read as a header of one hundred bytes\n" * 3)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r"notes.txt: is not a database"):
        open_store(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused(tmp_path) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table bookmarks (url text)")
    connection.close()
    with pytest.raises(UsageError, match="not an attempt log"):
        open_store(path)


def test_a_database_with_a_newer_schema_is_refused(path) -> None:
    open_store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("update schema set version = 99")
    connection.close()
    with pytest.raises(UsageError, match=f"schema 99, this one knows {VERSION}.*upgrade kernelsmith"):
        open_store(path)


def test_a_folder_instead_of_a_database_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="is a folder; --db takes a database file"):
        open_store(tmp_path)


def test_a_url_of_another_kind_of_database_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="--db nosuch://x"):
        open_store("nosuch://x")


def test_a_folder_that_cannot_be_created_is_named(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LogError, match="cannot create the folder of the attempt log"):
        open_store(tmp_path / "file" / "attempts.db")


FULL = textwrap.dedent("""
    import resource, signal, sys
    from kernelsmith.core.attempt import *
    from kernelsmith.core.run import *
    from kernelsmith.errors import LogError
    from kernelsmith.log.store import open_store
    from datetime import UTC, datetime

    with open_store(sys.argv[1], create=False) as store:
        run = store.run("r")
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
        written = 0
        try:
            while True:
                store.note(run, Event(EventKind.TROUBLE, datetime.now(UTC), data={"x": "y" * 20_000}))
                written += 1
        except LogError as error:
            print(written, error)
""")


def test_a_full_disk_gives_a_one_line_message_and_loses_nothing(path, task) -> None:
    with open_store(path) as store:
        store.create_run(CONFIG, name="r", task=task)
    result = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    count, _, message = result.stdout.partition(" ")
    assert message.count("\n") == 1
    assert "everything that was committed before is kept" in message
    with open_store(path) as store:
        assert len(store.history(store.run("r")).events) == int(count) > 0


WITHOUT_CAPABILITIES = """
import ctypes, sys
libc = ctypes.CDLL(None)
# Without capabilities, root cannot write to read-only files and folders either.
assert libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0
"""
OPENS_FOR_WRITING = """
from kernelsmith.errors import LogError
from kernelsmith.log.store import open_store
try:
    open_store(sys.argv[1], create=False)
except LogError as error:
    print(error)
"""


def test_a_read_only_database_that_is_opened_for_writing_gives_the_remedy(path, task) -> None:
    with open_store(path) as store:
        store.create_run(CONFIG, name="r", task=task)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    command = [sys.executable, "-c", WITHOUT_CAPABILITIES + OPENS_FOR_WRITING, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    path.parent.chmod(0o755)
    assert result.returncode == 0, result.stderr
    (message,) = result.stdout.splitlines()
    assert "make the file writable" in message
