"""The cache of builds: an entry is whole or absent, holds only plain files, and has a limited size."""

import os
import threading

import pytest

from harness.compiling import store
from harness.compiling.build_runner import BuildFault
from harness.compiling.built import Built
from harness.wire import messages as wire

FACTS = wire.Facts(registers=4, warnings=("a",), instructions={"FFMA": 2})


@pytest.fixture
def output(tmp_path):
    """Return a folder as a build leaves it."""
    folder = tmp_path / "output"
    (folder / "cache" / "kernel").mkdir(parents=True)
    (folder / "candidate.py").write_bytes(b"text")
    (folder / "cache" / "kernel" / "k.cubin").write_bytes(b"code")
    return folder


def put(tmp_path, output):
    return store.store(tmp_path / "entries" / "one", Built(output, FACTS, seconds=1.5))


def test_a_stored_folder_and_a_stored_file_are_loaded_whole(tmp_path, output):
    made = put(tmp_path, output)
    found = store.stored(tmp_path / "entries" / "one")
    assert (found.artifact, found.facts, found.seconds, found.cached) == (made.artifact, FACTS, 1.5, True)
    assert (found.artifact / "cache" / "kernel" / "k.cubin").read_bytes() == b"code"
    single = store.store(tmp_path / "entries" / "two", Built(output / "candidate.py", FACTS, seconds=1.0))
    assert single.artifact.read_bytes() == b"text"


@pytest.mark.parametrize("damage", ["changed", "missing", "added", "record"])
def test_a_damaged_entry_is_removed(tmp_path, output, damage):
    artifact, entry = put(tmp_path, output).artifact, tmp_path / "entries" / "one"
    {
        "changed": lambda: (artifact / "candidate.py").write_bytes(b"other"),
        "missing": lambda: (artifact / "candidate.py").unlink(),
        "added": lambda: (artifact / "more.py").write_bytes(b""),
        "record": lambda: (entry / "built.json").write_text("{"),
    }[damage]()
    assert store.stored(entry) is None
    assert not entry.exists()


@pytest.mark.parametrize("planted", ["link", "pipe", "folder link", "deep", "many", "large"])
def test_an_artifact_with_special_files_or_too_much_data_is_a_build_fault(tmp_path, output, planted, monkeypatch):
    monkeypatch.setattr(store, "MAX_ARTIFACT_BYTES", 100)
    monkeypatch.setattr(store, "MAX_FILES", 50)
    {
        "link": lambda: (output / "passwd").symlink_to("/etc/passwd"),
        "pipe": lambda: os.mkfifo(output / "pipe"),
        "folder link": lambda: (output / "etc").symlink_to("/etc"),
        "deep": lambda: (output / "/".join("d" * 12)).mkdir(parents=True),
        "many": lambda: [(output / str(number)).touch() for number in range(60)],
        "large": lambda: (output / "large").write_bytes(bytes(101)),
    }[planted]()
    with pytest.raises(BuildFault):
        put(tmp_path, output)
    assert list((tmp_path / "entries").iterdir()) == []


def test_one_file_that_is_too_large_is_refused_not_cut(tmp_path, output, monkeypatch):
    monkeypatch.setattr(store, "MAX_OUTPUT_BYTES", 3)
    with pytest.raises(BuildFault, match="larger"):
        store.read_output(output / "candidate.py")


def test_a_second_build_of_the_same_entry_waits_for_the_build_lock(tmp_path):
    entry, order = tmp_path / "entries" / "one", []

    def second():
        with store.build_lock(entry):
            order.append("second")

    with store.build_lock(entry):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.2)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]
