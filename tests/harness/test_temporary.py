"""Folders in the temporary directory: a harness that starts removes those whose process was killed, and no others."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from programs import ROOT

from harness.sandbox import temporary

MAKERS = {
    "harness": "from harness.sandbox.temporary import locked_folder as folder",
    "agent": "from kernelsmith.core.temporary import temporary_folder as folder",
}
"""How each program makes a folder, by program."""
PROGRAM = textwrap.dedent("""
    import sys
    with folder() as path:
        (path / "file").touch()
        print(path, flush=True)
        sys.stdin.read()
""")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary directory of this test and of the programs that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


@pytest.fixture
def make() -> Iterator[Callable[[str], tuple["subprocess.Popen[str]", Path]]]:
    """Start a program that makes a folder and lives on; return the process and the folder, an hour old."""
    processes = []

    def start(maker: str) -> tuple["subprocess.Popen[str]", Path]:
        places = os.pathsep.join([str(ROOT), str(ROOT / "harness")])
        process = subprocess.Popen(
            [sys.executable, "-c", f"{MAKERS[maker]}\n{PROGRAM}"], env=os.environ | {"PYTHONPATH": places},
            stdin=-1, stdout=-1, text=True,
        )  # fmt: skip
        processes.append(process)
        folder = Path(process.stdout.readline().strip())
        _grow_old(folder)
        return process, folder

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def _grow_old(folder: Path) -> None:
    an_hour_ago = folder.stat().st_mtime - 3600
    os.utime(folder, (an_hour_ago, an_hour_ago))


@pytest.mark.parametrize("maker", MAKERS)
def test_the_folder_of_a_killed_process_is_removed_and_that_of_a_live_one_stays(make, maker):
    process, folder = make(maker)
    assert folder.name.startswith(f"kernelsmith-{process.pid}-")
    temporary.sweep()
    assert folder.exists()
    process.kill()
    process.wait()
    temporary.sweep()
    assert not folder.exists()


def test_a_folder_is_left_over_even_if_a_new_process_has_the_id_of_its_own(place):
    folder = place / f"kernelsmith-{os.getpid()}-abcdefgh"
    folder.mkdir()
    _grow_old(folder)
    temporary.sweep()
    assert not folder.exists()


@pytest.mark.parametrize("name", ["kernelsmith-tests-abcdefgh", "kernelsmith-abcdefgh", "other-12-abcdefgh"])
def test_a_folder_of_another_name_stays(place, name):
    (place / name).mkdir()
    _grow_old(place / name)
    temporary.sweep()
    assert (place / name).exists()


def test_a_young_folder_stays_because_its_process_may_be_about_to_lock_it(place):
    folder = place / "kernelsmith-12-abcdefgh"
    folder.mkdir()
    temporary.sweep()
    assert folder.exists()


def test_a_link_in_place_of_a_folder_leads_nowhere(place):
    (place / "precious").mkdir()
    _grow_old(place / "precious")
    (place / "kernelsmith-12-abcdefgh").symlink_to(place / "precious")
    temporary.sweep()
    assert (place / "precious").exists()


def test_a_harness_removes_left_folders_when_it_starts(make, tmp_path):
    process, folder = make("harness")
    process.kill()
    process.wait()
    (tmp_path / "card.toml").write_text("peak = 1.0e9\n")
    answers, written = os.pipe()
    options = [f"--device=scripted:{tmp_path / 'card.toml'}", f"--cache={tmp_path / 'cache'}"]
    options += [f"--answers-fd={written}", f"--parent={os.getpid()}"]
    command = [sys.executable, "-I", str(ROOT / "harness"), "serve", *options]
    done = subprocess.run(command, pass_fds=(written,), stdin=subprocess.DEVNULL, timeout=60, check=False)
    os.close(answers)
    os.close(written)
    assert done.returncode == 0
    assert not folder.exists()
