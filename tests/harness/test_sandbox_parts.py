"""The parts of the sandbox one by one: steps, processes, rules for files, filters, trees, and what a program needs."""

import os
import sys
from pathlib import Path

import pytest

from harness.sandbox import interpreter, landlock, libraries, namespaces, privileges, seccomp, spawn, syscalls
from harness.sandbox.process import Process
from harness.sandbox.spawn import SandboxError, Step

OWN_SESSION: Step = ("new session", os.setsid)
END: Step = ("end", lambda: os._exit(3))


def ended(*steps: Step) -> str:
    """Return how a child ends that takes these steps."""
    process = spawn.start([OWN_SESSION, *steps, END])
    process.wait(10.0)
    return process.describe_end()


def test_a_child_takes_its_steps_in_order_and_its_end_is_told() -> None:
    assert ended() == "exited with 3"


def test_a_step_that_fails_is_named_and_nothing_after_it_runs(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(SandboxError, match=r"^sandbox: folder: .*No such file"):
        ended(("folder", lambda: os.chdir(tmp_path / "absent")), ("mark", mark.touch))
    assert not mark.exists()


def test_a_process_is_stopped_let_go_on_and_killed() -> None:
    process = spawn.start([OWN_SESSION, ("program", spawn.ProgramImage(["/bin/sleep", "30"], {}).execute)])
    assert isinstance(process, Process)
    assert process.stop()
    assert Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    process.cont()
    assert process.describe_end() == "still running"
    process.kill()
    assert process.describe_end() == "killed by SIGKILL"
    assert not process.stop()


def test_a_system_call_that_fails_names_itself_and_one_that_is_not_known_says_so() -> None:
    assert syscalls.call("kill", os.getpid(), 0) == 0
    with pytest.raises(ProcessLookupError, match="kill: No such process"):
        syscalls.call("kill", 1 << 22, 0)
    with pytest.raises(OSError, match="no_such_call: not known on"):
        syscalls.call("no_such_call")


def test_a_filter_refuses_a_worker_what_it_allows_before() -> None:
    install: Step = ("filter", seccomp.program(seccomp.FilterKind.WORKER).install)
    forbid: Step = ("no new privileges", privileges.forbid_new_privileges)
    affinity: Step = ("cores", lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)))
    assert ended(affinity, forbid, install) == "exited with 3"
    with pytest.raises(SandboxError, match=r"cores: .*not permitted"):
        ended(forbid, install, affinity)


@pytest.mark.skipif(not landlock.abi(), reason="the kernel has no Landlock")
def test_only_what_a_ruleset_names_can_be_read(tmp_path: Path) -> None:
    (open_one := tmp_path / "open").write_text("x")
    (closed_one := tmp_path / "closed").write_text("x")
    rules = landlock.ruleset(landlock.Grant((open_one,), landlock.READ))
    try:
        guards: list[Step] = [
            ("no new privileges", privileges.forbid_new_privileges),
            ("Landlock", lambda: landlock.enforce(rules)),
        ]
        assert ended(*guards, ("look", open_one.read_bytes)) == "exited with 3"
        with pytest.raises(SandboxError, match=r"look: .*Permission denied"):
            ended(*guards, ("look", closed_one.read_bytes))
    finally:
        os.close(rules)


@pytest.mark.skipif(not landlock.abi(), reason="the kernel has no Landlock")
def test_a_path_that_does_not_exist_cannot_be_granted(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        landlock.ruleset(landlock.Grant((tmp_path / "absent",), landlock.READ))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_tree_shows_a_folder_once_and_what_is_writable_in_it_by_itself(tmp_path: Path) -> None:
    folder, inner, own = tmp_path / "folder", tmp_path / "folder" / "inner", tmp_path / "folder" / "own"
    for path in (inner, own):
        path.mkdir(parents=True)
    (link := tmp_path / "link").symlink_to("folder")
    tree = namespaces.tree(readable=(folder, inner, link), writable=(own,))
    assert [(bind.path, bind.writable) for bind in tree.binds] == [
        (folder.resolve(), False),
        (own.resolve(), True),
    ]
    assert (link, "folder") in tree.links


def test_the_interpreter_is_a_real_file_and_its_packages_are_not_readable() -> None:
    assert not interpreter.executable().is_symlink()
    names = {path.name for path in interpreter.readable()}
    assert {"os.py", "json"} <= names
    assert names.isdisjoint(interpreter.SITE)


def test_the_libraries_of_a_program_are_real_files_and_the_names_they_are_found_by(tmp_path: Path) -> None:
    found = libraries.linked(Path(os.path.realpath(sys.executable)))
    assert any(path.name.startswith("libc.so") for path in found)
    assert all(path.exists() and path.resolve() in found for path in found if path.suffix != ".cache")
    (text := tmp_path / "text").write_text("no program")
    assert {path.name for path in libraries.linked(text)} <= {"ld.so.cache"}
