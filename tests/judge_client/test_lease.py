"""The device lease: one at a time, whoever holds it, and gone with its holder."""

import os
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelsmith.errors import HarnessError
from kernelsmith.judge_client.lease import leased

HOLDER = textwrap.dedent("""
    import sys
    from kernelsmith.judge_client.lease import leased
    with leased(sys.argv[1]):
        print("held", flush=True)
        sys.stdin.read()
""")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the locks of these tests are: not where a run beside them looks."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


@pytest.fixture
def holder() -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds `cuda:7` of a machine without such a card."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, "cuda:7"], stdin=-1, stdout=-1, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def has_to_wait(device: str) -> bool:
    program = f"from kernelsmith.judge_client.lease import leased\nwith leased({device!r}): pass"
    try:
        subprocess.run([sys.executable, "-c", program], check=True, timeout=0.7)
    except subprocess.TimeoutExpired:
        return True
    return False


def test_a_device_is_held_by_one_and_released_by_its_death(holder):
    assert has_to_wait("cuda:7")
    holder.kill()
    holder.wait()
    with leased("cuda:7"):
        pass


def test_devices_do_not_wait_for_one_another(holder):
    with leased("cpu"), leased("cuda:6"):
        pass


def test_another_user_can_wait_for_it_whatever_the_umask(folder):
    before = os.umask(0o077)
    try:
        with leased("cpu"):
            (file,) = folder.iterdir()
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_a_file_that_may_only_be_read_is_enough(folder):
    with leased("cpu"):
        (file,) = folder.iterdir()
    file.chmod(0o444)
    with leased("cpu"):
        assert has_to_wait("cpu")


def test_a_lock_that_was_removed_is_made_anew(folder):
    with leased("cpu"):
        (file,) = folder.iterdir()
        file.unlink()
    with leased("cpu"):
        assert file.exists()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/etc/passwd", path)])
def test_what_is_no_lock_file_is_refused_in_one_line(folder, make):
    make(folder / "kernelsmith-cpu.lock")
    with pytest.raises(HarnessError, match=r"kernelsmith-cpu\.lock.*remove"), leased("cpu"):
        pass
