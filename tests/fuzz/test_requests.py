"""Whatever is written to a harness: a request, or one line that says what is wrong with it; then the next is read."""

import io
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.wire import messages as wire
from harness.wire import requests as reading
from kernelsmith import paths
from kernelsmith.judge_client import wire as agent_wire

HARNESS = paths.harness_folder()
MIB = 1 << 20

SOURCE = {"path": "/tmp/candidate.c", "language": "c"}
MEASUREMENT = {
    "time_us": 1.5, "interval_us": {"low": 1.4, "high": 1.6}, "utilization": 0.5, "rate": 5e8, "peak": 1e9,
    "unit": "fp32", "pilot_us": 2, "vendor_ratio": None, "vendor_paired": False, "single_us": 1.6,
    "sustained_us": None, "utilization_at_clock": None,
}  # fmt: skip
WHOLE = {
    "open": {"v": 2, "id": "open-0", "op": "open", "task": "/tasks/a"},
    "measure": {
        "v": 2, "id": "measure-1", "op": "measure", "task": "/tasks/a", "candidate": SOURCE, "racing_above_s": 0.25,
        "reveal_hidden": True,
    },
    "contend": {
        "v": 2, "id": "contend-1", "op": "contend", "task": "/tasks/a", "candidate": SOURCE,
        "measurement": MEASUREMENT, "batches": [{"case": "main", "calls": 4, "time_us": 1.5, "key": "0f" * 16}],
        "opponent": {"role": "incumbent", "source": SOURCE, "time_us": 1.5, "fastest_us": 1},
    },
    "reproduce": {
        "v": 2, "id": "r", "op": "reproduce", "task": "/tasks/a", "candidate": SOURCE, "case": "main", "calls": 3,
        "key": "0f" * 16,
    },
    "duel": {"v": 2, "id": "d", "op": "duel", "task": "/tasks/a", "candidate": SOURCE, "incumbent": SOURCE},
    "build": {"v": 2, "id": "b", "op": "build", "task": "/tasks/a", "candidate": SOURCE},
}  # fmt: skip

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def refused_or_read(line: str | bytes) -> wire.Request | None:
    """The request; None where it is refused, in one short line."""
    try:
        return reading.parse(line)
    except reading.RequestError as error:
        said = str(error)
        assert said.isprintable(), said
        assert len(said) < 500
        return None


@pytest.mark.parametrize("op", WHOLE)
def test_a_whole_request_is_read(op):
    assert refused_or_read(json.dumps(WHOLE[op])) is not None


@given(st.binary(max_size=300) | st.text(max_size=300))
@example(b"[" * 60_000)
@example(b'{"a":' * 12_000)
@example("9" * 60_000)
@example(b'{"v": 2, "v": 2, "op": "open", "id": "x", "task": "/a"}')
@example(b'{"v": 2, "op": "open", "id": "x", "task": "/a\\u0000b"}')
@example(b'{"v": 2, "op": "open", "id": "x", "task": "/\\ud800"}')
@example(b'{"v": true, "op": "open", "id": "x", "task": "/a"}')
@example(b'{"v": 2e400, "op": "open", "id": "x", "task": "/a"}')
def test_noise_is_refused_in_one_line(noise):
    assert refused_or_read(noise) is None


@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_a_request_with_one_value_of_another_kind_is_refused_or_has_all_its_types(op, data):
    message = json.loads(json.dumps(WHOLE[op]))
    place = data.draw(st.sampled_from([message, *(part for part in message.values() if isinstance(part, dict))]))
    place[data.draw(st.sampled_from(sorted(place)) | st.text(max_size=8))] = data.draw(values)
    request = refused_or_read(json.dumps(message))
    if request is not None:
        assert isinstance(request.id, str)
        assert os.path.isabs(request.task)
        if isinstance(request, wire.Reproduce):
            assert 0 < request.calls <= reading.MAX_CALLS
        if isinstance(request, wire.Judge) and request.incumbent_time:
            assert 0 < request.incumbent_time.time_us < 1e15


@pytest.mark.parametrize("op", WHOLE)
@pytest.mark.parametrize("gone", ["v", "id", "op", "task"])
def test_a_missing_key_is_refused(op, gone):
    assert refused_or_read(json.dumps({key: value for key, value in WHOLE[op].items() if key != gone})) is None


@given(st.sampled_from(sorted(WHOLE)), st.integers(1, 400))
def test_a_truncated_request_is_refused(op, kept):
    text = json.dumps(WHOLE[op])
    assert refused_or_read(text[: min(kept, len(text) - 1)]) is None


@given(st.binary(max_size=200))
def test_lines_are_those_that_were_written_and_long_ones_are_one(noise):
    long = b"x" * (3 * reading.MAX_LINE)
    written = b"\n".join([noise.replace(b"\n", b""), long, b"{}"])
    found = list(reading.lines(io.BytesIO(written)))
    assert len(found) == 3
    assert len(found[1]) == reading.MAX_LINE + 1
    assert refused_or_read(found[1]) is None
    assert found[2] == b"{}"


def test_a_line_without_an_end_takes_no_memory(grown_bytes):
    prepared = """
import io
from harness.wire import requests as reading
class Endless(io.RawIOBase):
    left = 200 << 20
    def readable(self): return True
    def readinto(self, buffer):
        taken = min(len(buffer), self.left); self.left -= taken
        buffer[:taken] = b"x" * taken
        return taken
stream = io.BufferedReader(Endless())
"""
    assert grown_bytes(prepared, "assert len(list(reading.lines(stream))) == 1") < 8 * MIB


# --- a running harness ---------------------------------------------------------------------------------------------


class Served:
    """A real judge that is written to by hand."""

    def __init__(self, folder: Path) -> None:
        ours, theirs = os.pipe()
        self._answers, self._read = ours, b""
        self._log = folder / "harness.log"
        command = [sys.executable, "-I", str(HARNESS), "serve", f"--answers-fd={theirs}", f"--parent={os.getpid()}",
                   f"--cache={paths.cache_folder()}", "--calibration-s=0.1"]  # fmt: skip
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, pass_fds=(theirs,), start_new_session=True
            )
        os.close(theirs)

    def write(self, raw: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(raw)
        self.process.stdin.flush()

    def answer(self, *, within_s: float = 60.0) -> dict[str, object]:
        """The next answer that is not progress, as the agent's own reader accepts it."""
        end = time.monotonic() + within_s
        while True:
            while b"\n" not in self._read:
                assert select.select([self._answers], [], [], max(end - time.monotonic(), 0))[0], "no answer"
                piece = os.read(self._answers, 1 << 16)
                assert piece, f"the harness died: {self._log.read_text()[-2000:]}"
                self._read += piece
            line, _, self._read = self._read.partition(b"\n")
            agent_wire.read(line)
            message: dict[str, object] = json.loads(line)
            if message["kind"] != "progress":
                return message

    def said(self) -> str:
        return self._log.read_text()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self._answers)


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    judge = Served(tmp_path_factory.mktemp("served"))
    yield judge
    judge.close()


NOISE = [
    b"\n", b"{}\n", b"null\n", b"\xff\xfe\n", b"\0\0\n", b"[" * 60_000 + b"\n", b'{"v": 2, "op": "open"}\n',
    b'{"v": 2, "op": "open", "id": [], "task": 3}\n', b'{"v": 2, "op": NaN}\n', b'{"v": 2, "op": "quit"}\n',
]  # fmt: skip


@pytest.mark.parametrize("noise", NOISE, ids=range(len(NOISE)))
def test_a_running_harness_answers_noise_with_one_error_and_lives(served, noise):
    served.write(noise)
    answer = served.answer()
    assert answer["kind"] == "error"
    assert answer["id"] == ""
    assert served.process.poll() is None
    assert "Traceback" not in served.said()


def test_a_running_harness_does_not_grow_by_a_line_of_100_mib(served):
    served.write(b"\n")
    served.answer()
    before = psutil.Process(served.process.pid).memory_info().rss
    for _ in range(100):
        served.write(b"x" * MIB)
    served.write(b"\n")
    assert "longer" in str(served.answer()["message"])
    assert psutil.Process(served.process.pid).memory_info().rss - before < 8 * MIB


@given(st.lists(st.binary(min_size=1, max_size=80).map(lambda raw: raw.replace(b"\n", b"")), min_size=1, max_size=20))
@settings(max_examples=20)
def test_a_running_harness_answers_every_line_once_whatever_is_in_it(served, lines):
    served.write(b"".join(line + b"\n" for line in lines))
    assert all(served.answer()["kind"] == "error" for _ in lines)


@pytest.mark.parametrize("place", ["absent", "fifo", "folder", "loop", "empty", "binary"])
def test_a_task_that_is_none_is_an_error_and_no_hang(served, tmp_path, place):
    task = tmp_path / place
    if place == "loop":
        task.symlink_to(task)
    elif place != "absent":
        task.mkdir()
    if place == "fifo":
        os.mkfifo(task / "task.toml")
    if place == "folder":
        (task / "task.toml").mkdir()
    if place in ("empty", "binary"):
        (task / "task.toml").write_bytes(b"" if place == "empty" else os.urandom(1000))
    served.write(agent_wire.request("open-7", "open", task=str(task)).encode())
    answer = served.answer()
    assert (answer["kind"], answer["id"]) == ("error", "open-7")


@pytest.mark.parametrize("place", ["absent", "fifo", "folder", "endless"])
def test_a_candidate_that_is_no_file_is_an_error_and_no_hang(served, small_task, tmp_path, place):
    path = Path("/dev/zero") if place == "endless" else tmp_path / place
    if place == "fifo":
        os.mkfifo(path)
    if place == "folder":
        path.mkdir()
    source = {"path": str(path), "language": "c"}
    served.write(agent_wire.request("measure-3", "measure", task=str(small_task.folder), candidate=source).encode())
    assert served.answer(within_s=60)["kind"] == "error"


def test_a_request_that_comes_twice_is_answered_twice_and_requests_keep_their_order(served, small_task, tmp_path):
    (tmp_path / "empty.c").touch()
    source = {"path": str(tmp_path / "empty.c"), "language": "c"}
    task = str(small_task.folder)
    asked = ["measure-9", "measure-9", "measure-2"]
    served.write("".join(agent_wire.request(name, "measure", task=task, candidate=source) for name in asked).encode())
    answers = [served.answer() for _ in asked]
    assert [answer["id"] for answer in answers] == asked
    assert all(answer["kind"] == "verdict" for answer in answers)


@pytest.mark.soak
@given(st.binary(max_size=3000) | values.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=20_000)
def test_noise_is_refused_in_one_line_many_times(noise):
    assert refused_or_read(noise) is None
