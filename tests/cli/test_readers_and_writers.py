"""Reading commands while another process writes: who is done first tells whether one waited for the other."""

import json
import sqlite3
import subprocess
import sys

import pytest

READING = (["show", "night"], ["show", "night:1"], ["runs"], ["best", "night"], ["diff", "night:1", "night:2"])
WRITER = """
import sqlite3, sys
log = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)
log.execute("BEGIN IMMEDIATE")
log.execute("UPDATE runs SET name = 'morning'")
print("the write lock is held", flush=True)
sys.stdin.readline()
log.execute("COMMIT")
print("committed", flush=True)
"""


@pytest.mark.parametrize("command", READING, ids=lambda command: " ".join(command))
def test_a_reader_is_done_while_a_writer_holds_the_write_lock(cli, recorded, command):
    writer = [sys.executable, "-c", WRITER, str(recorded)]
    with subprocess.Popen(writer, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "the write lock is held\n"
        done = cli(*command)
        said, _ = process.communicate("go on\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert said == "committed\n", "the writer had not committed before the reader was done"
    assert [run["name"] for run in json.loads(cli("runs", "--json").stdout)] == ["morning"]


def test_a_writer_is_done_while_a_reader_reads(recorded, cli):
    reader = sqlite3.connect(f"file:{recorded}?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT name FROM runs").fetchall() == [("night",)]
    writer = [sys.executable, "-c", WRITER, str(recorded)]
    done = subprocess.run(writer, input="go on\n", capture_output=True, text=True, check=True)
    assert done.stdout.endswith("committed\n")
    assert reader.execute("SELECT name FROM runs").fetchall() == [("night",)], "what it reads is one moment"
    reader.execute("ROLLBACK")
    assert reader.execute("SELECT name FROM runs").fetchall() == [("morning",)]
    reader.close()
