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
from kernelsmith.judge_client.lease import LeaseWait, leased

HOLDER = textwrap.dedent("""
    import sys
    from kernelsmith.judge_client.lease import LeaseWait, leased
    with leased(sys.argv[1], LeaseWait("run night")):
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


def test_a_wait_names_the_purpose_and_the_process_of_the_holder_and_can_be_given_up(holder):
    seen = []
    with (
        pytest.raises(HarnessError, match="given up"),
        leased("cuda:7", LeaseWait(on_wait=seen.append, is_given_up=lambda: bool(seen))),
    ):
        pass
    assert seen == [f"run night, pid {holder.pid}"]


def test_a_wait_that_was_given_up_leaves_the_lock_to_others(holder):
    with pytest.raises(HarnessError), leased("cuda:7", LeaseWait(is_given_up=lambda: True)):
        pass
    holder.kill()
    holder.wait()
    with leased("cuda:7"):
        pass


@pytest.mark.parametrize("text", ["", "no process", "999999999 run night"])
def test_a_holder_that_did_not_write_its_name_is_another_process(folder, text):
    seen = []
    with leased("cpu"):
        (folder / "kernelsmith-cpu.lock").write_text(text)
        with pytest.raises(HarnessError), leased("cpu", LeaseWait(on_wait=seen.append, is_given_up=lambda: True)):
            pass
    assert seen == ["another process"]


def test_a_released_lock_names_no_holder(folder):
    with leased("cpu", LeaseWait("run night")):
        assert (folder / "kernelsmith-cpu.lock").read_text() == f"{os.getpid()} run night"
    assert (folder / "kernelsmith-cpu.lock").read_text() == ""


def test_a_second_name_of_another_file_is_not_written_to(folder):
    (folder / "precious").write_text("kept")
    os.link(folder / "precious", folder / "kernelsmith-cpu.lock")
    with leased("cpu"):
        pass
    assert (folder / "precious").read_text() == "kept"
