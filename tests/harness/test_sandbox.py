"""What a sandboxed program can and cannot do, tried by a real program at every level that this machine offers."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.sandbox import launcher as sandbox
from harness.sandbox import privileges
from harness.sandbox.launcher import Isolation, Level, Policy, SandboxError

PROBE = Path(__file__).with_name("probes") / "attempts.c"
ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def offered() -> Isolation:
    return sandbox.probe()


@pytest.fixture(scope="module")
def probe_program(tmp_path_factory) -> Path:
    program = tmp_path_factory.mktemp("probe") / "attempts"
    subprocess.run(["cc", "-O1", "-Wall", "-Werror", "-o", program, PROBE], check=True)
    return program


@pytest.fixture(scope="module")
def loader(probe_program) -> tuple[Path, ...]:
    said = subprocess.run(["ldd", probe_program], capture_output=True, text=True, check=True).stdout
    return tuple(Path(name) for name in re.findall(r"(?<=\s)(/\S+)", said))


@pytest.fixture(params=[Level.CONFINED, Level.NAMESPACED, Level.FULL], ids=["confined", "namespaced", "full"])
def isolation(request, offered) -> Isolation:
    try:
        return offered.lowered(request.param)
    except SandboxError as error:
        pytest.skip(str(error))


@pytest.fixture
def full(offered) -> Isolation:
    if offered.level < Level.FULL:
        pytest.skip(offered.why_not_higher)
    return offered


class Launcher:
    """Starts the probe program and reads what it says."""

    def __init__(self, program: Path, loader: tuple[Path, ...]) -> None:
        self._program, self._loader = program, loader

    def start(
        self, folder: Path, isolation: Isolation, words: tuple[str, ...], output: int, **changes
    ) -> sandbox.Process:
        program = folder / "attempts"
        program.write_bytes(self._program.read_bytes())
        program.chmod(0o755)
        keep_fds = changes.pop("keep_fds", ())
        policy = Policy(executable=(program, *self._loader), **changes)
        started = sandbox.Program([program, *words], keep_fds=keep_fds, stdout=output)
        return sandbox.launch(started, policy, isolation=isolation, folder=folder)

    def said(self, isolation: Isolation, *words: str, **changes) -> str:
        """Output and end of one attempt."""
        output = os.memfd_create("output")
        try:
            with sandbox.private_folder(isolation) as folder:
                words = tuple(str(folder) if word == "FOLDER" else word for word in words)
                if changes.pop("writes_folder", False):
                    changes |= {"writable": (folder,), "may_fork": True}
                process = self.start(folder, isolation, words, output, **changes)
                process.wait(10.0)
                process.kill()
                text = os.pread(output, 65536, 0).decode()
                return f"{text}{process.describe_end()}"
        finally:
            os.close(output)


@pytest.fixture
def launcher(probe_program, loader) -> Launcher:
    return Launcher(probe_program, loader)


@pytest.fixture
def standing(launcher) -> Iterator[Callable[..., sandbox.Process]]:
    """Starts probes that keep running; they end with the test."""
    with ExitStack() as stack:

        def start(isolation: Isolation, *words: str, **changes) -> sandbox.Process:
            folder = stack.enter_context(sandbox.private_folder(isolation))
            process = launcher.start(folder, isolation, words, 1, **changes)
            stack.callback(process.kill)
            return process

        yield start


@pytest.mark.parametrize("attempt", ["thread", "map-code"])
def test_what_an_honest_kernel_needs_works(launcher, isolation, attempt):
    assert launcher.said(isolation, attempt) == "done\nexited with 0"


def test_a_worker_reads_no_file_outside(launcher, isolation, tmp_path):
    if isolation.level is Level.CONFINED and not ROOT:
        pytest.skip("level 1 of an ordinary user does not cover reading")
    secret = tmp_path / "secret"
    secret.write_text("the judge's")
    secret.chmod(0o600)
    assert launcher.said(isolation, "read", str(secret)).startswith("refused")


def test_a_worker_with_files_cut_off_reads_not_even_public_ones(launcher, offered):
    for level in (Level.NAMESPACED, Level.FULL):
        assert launcher.said(offered.lowered(level), "read", "/etc/passwd").startswith("refused")


def test_a_readable_path_is_readable_and_not_writable(launcher, isolation, tmp_path):
    shared = Path("/etc/hostname")
    said = launcher.said(isolation, "read", str(shared), readable=(shared,))
    assert said.startswith("done"), said
    assert launcher.said(isolation, "write", str(shared), readable=(shared,)).startswith("refused")


@pytest.mark.parametrize("attempt", ["write", "chmod"])
def test_a_worker_changes_no_file_even_of_its_own(launcher, isolation, attempt):
    assert launcher.said(isolation, attempt, "FOLDER").startswith("refused")


def test_a_build_writes_its_folder_and_forks_but_has_no_session_and_no_network(launcher, isolation):
    for attempt in ("fork", "write"):
        words = (attempt,) if attempt == "fork" else (attempt, "new-file")
        assert launcher.said(isolation, *words, writes_folder=True).startswith("done")
    for attempt in ("setsid", "setpgid", "tcp", "unix", "judge-ptrace", "judge-environ"):
        assert launcher.said(isolation, attempt, writes_folder=True).startswith("refused")


def test_a_build_writes_nowhere_else(launcher, offered, tmp_path):
    tmp_path.chmod(0o777)
    for level in (Level.NAMESPACED, Level.FULL):
        said = launcher.said(offered.lowered(level), "write", str(tmp_path / "planted"), writes_folder=True)
        assert said.startswith("refused")
    assert not list(tmp_path.iterdir())


def test_only_the_environment_that_was_given_arrives(launcher, isolation, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    said = launcher.said(isolation, "environment", environment={"ONE": "1"})
    assert said == "ONE=1\ndone\nexited with 0"


def test_only_the_kept_descriptors_are_inherited(launcher, isolation):
    leaked, kept = os.memfd_create("leaked", 0), os.memfd_create("kept")
    os.set_inheritable(leaked, bool(leaked))
    try:
        said = launcher.said(isolation, "descriptors", keep_fds=(kept,))
    finally:
        os.close(leaked)
        os.close(kept)
    assert set(re.findall(r"fd (\d+)", said)) == {"0", "1", "2", str(kept)}


def test_a_kept_memory_file_is_mapped_under_its_own_number(launcher, isolation):
    shared = os.memfd_create("shared")
    try:
        os.ftruncate(shared, 4096)
        assert "done" in launcher.said(isolation, "map-descriptor", str(shared), keep_fds=(shared,))
        assert os.pread(shared, 21, 0) == b"written by the worker"
    finally:
        os.close(shared)


def test_no_capability_remains(launcher, isolation):
    said = launcher.said(isolation, "capabilities")
    assert said.startswith("capabilities 0 0 uid ")
    if isolation.uid_changes:
        assert "uid 0\n" not in said


def test_root_keeps_its_uid_without_capabilities_where_the_other_user_cannot_read(launcher, full, tmp_path):
    if not ROOT:
        pytest.skip("only root changes users")
    private = tmp_path / "library"
    private.write_text("for root only")
    private.chmod(0o600)
    assert launcher.said(full, "capabilities", readable=(private,)).startswith("capabilities 0 0 uid 0\n")
    assert launcher.said(full, "read", str(private), readable=(private,)).startswith("done")
    for attempt in ("judge-environ", "judge-mem", "judge-signal", "fork"):
        assert launcher.said(full, attempt, readable=(private,)).startswith("refused")
    with pytest.raises(SandboxError, match=r"level 1 .* cannot read .*; remedy"):
        launcher.said(full.lowered(Level.CONFINED), "capabilities", readable=(private,))


def test_memory_is_limited(launcher, isolation):
    limits = {"memory_bytes": 256 << 20}
    assert launcher.said(isolation, "allocate", str(64 << 20), **limits).startswith("done")
    assert launcher.said(isolation, "allocate", str(512 << 20), **limits).startswith("refused")


def test_threads_are_limited(launcher, isolation):
    said = launcher.said(isolation, "thread-bomb", processes=20)
    started = int(re.search(r"threads (\d+)", said)[1])
    assert 0 < started <= 20


def test_files_in_memory_are_limited(launcher, isolation):
    assert launcher.said(isolation, "memory-file", str(1 << 20)).startswith("done")
    assert launcher.said(isolation, "memory-file", str(1 << 30)).startswith("refused")


def test_a_worker_runs_on_its_cores(launcher, isolation):
    core = max(os.sched_getaffinity(0))
    assert launcher.said(isolation, "cores", cores=(core,)).startswith("cores 1\n")


@pytest.mark.parametrize(
    ("words", "end"),
    [
        (("abort",), "killed by SIGABRT"),
        (("segfault",), "killed by SIGSEGV"),
        (("raise-fpe",), "killed by SIGFPE"),
        (("exit", "3"), "exited with 3"),
    ],
)
def test_every_end_is_told_in_words(launcher, isolation, words, end):
    assert launcher.said(isolation, *words) == end


def test_stop_returns_when_the_process_stands_still_and_cont_lets_it_go_on(standing, isolation):
    process = standing(isolation, "run")
    assert process.stop()
    assert process.stop(), "stopping twice is no wait"
    stood = _cpu_ticks(process.pid)
    time.sleep(0.05)
    assert _cpu_ticks(process.pid) == stood
    process.cont()
    deadline = time.monotonic() + 60  # then the assertion below fails
    while _cpu_ticks(process.pid) == stood and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _cpu_ticks(process.pid) > stood
    assert process.poll() is None


def test_kill_reaps_and_stop_then_says_that_it_ended(standing, isolation):
    process = standing(isolation, "run")
    process.kill()
    assert not process.stop()
    assert process.describe_end() == "killed by SIGKILL"
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_wait_gives_up_at_its_timeout(standing, isolation):
    process = standing(isolation, "run")  # it never ends
    assert process.wait(0.1) is None


def test_a_worker_dies_with_its_judge(isolation, probe_program, loader):
    """The judge is a child of ours that starts a worker and is killed."""
    told, tell = os.pipe()
    judge = os.fork()
    if judge == 0:
        try:
            with sandbox.private_folder(isolation) as folder:
                process = Launcher(probe_program, loader).start(folder, isolation, ("run",), 1)
                os.write(tell, f"{process.pid}\n{folder}".encode())
                signal.pause()
        finally:
            os._exit(1)
    os.close(tell)
    pid, folder = os.read(told, 4096).decode().split("\n")
    os.close(told)
    os.kill(judge, signal.SIGKILL)
    os.waitpid(judge, 0)
    deadline = time.monotonic() + 60  # then the assertion below fails
    while _is_running(int(pid)) and time.monotonic() < deadline:
        time.sleep(0.005)
    subprocess.run(["rm", "-rf", folder], check=True)
    assert not _is_running(int(pid))


def test_a_program_that_cannot_start_is_a_sandbox_error_that_names_it(isolation):
    with sandbox.private_folder(isolation) as folder, pytest.raises(SandboxError, match=r"program: .*/absent"):
        sandbox.launch(sandbox.Program([folder / "absent"]), Policy(), isolation=isolation, folder=folder)


def test_a_guard_that_fails_aborts_the_start_by_name(standing, isolation):
    with pytest.raises(SandboxError, match="cores"):
        standing(isolation, "run", cores=(4095,))


def test_a_granted_path_that_is_missing_is_an_error_not_a_smaller_grant(launcher, full):
    with pytest.raises(SandboxError, match="absent"):
        launcher.said(full, "thread", readable=(Path("/absent"),))


def test_a_level_that_was_not_found_cannot_be_had(offered):
    low = offered.lowered(Level.BARE)
    with pytest.raises(SandboxError, match="not offered"):
        low.lowered(Level.CONFINED)


def test_the_private_folder_goes_whatever_is_in_it(offered):
    with sandbox.private_folder(offered) as folder:
        place = os.getcwd()
        os.chdir(folder)
        for _ in range(1200):  # deeper than Python recurses, longer than a path may be
            os.mkdir("d")
            os.chdir("d")
        os.chdir(place)
        (folder / "closed").mkdir()
        (folder / "closed" / "file").touch()
        (folder / "closed").chmod(0)
    assert not folder.exists()


def test_an_ordinary_user_is_offered_a_level_and_confined_by_it(probe_program, loader):
    """Run as an unused user in a child, for the tests themselves may run as root."""
    if not ROOT:
        pytest.skip("the other tests show it")
    script = _as_ordinary_user(probe_program, loader)
    assert script.get("level") == "3", script
    for level in ("1", "2", "3"):
        for attempt in ("tcp", "judge-environ", "judge-maps", "judge-signal", "fork", "chmod"):
            assert script[f"{level} {attempt}"].startswith("refused"), (level, attempt, script)
        assert script[f"{level} thread"].startswith("done")
        assert script[f"{level} capabilities"].startswith("capabilities 0 0 uid 6")


def _as_ordinary_user(probe_program: Path, loader: tuple[Path, ...]) -> dict[str, str]:
    """What each attempt said at each level, from a child that gave up being root before it looked."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            content = probe_program.read_bytes()
            privileges.become(privileges.unused_uids()[-1])
            privileges.syscalls.LIBC.prctl(4, 1, 0, 0, 0)  # as a program that this user had started would be
            os.write(tell, json.dumps(_try_all_levels(content, loader)).encode())
        except (OSError, SandboxError) as error:
            os.write(tell, json.dumps({"error": repr(error)}).encode())
        finally:
            os._exit(0)
    os.close(tell)
    with os.fdopen(told) as report:
        said = report.read()
    os.waitpid(child, 0)
    found: dict[str, str] = json.loads(said)
    return found


def _try_all_levels(program: bytes, loader: tuple[Path, ...]) -> dict[str, str]:
    class Content:
        def read_bytes(self) -> bytes:
            return program

    launcher = Launcher(Content(), loader)
    offered = sandbox.probe()
    found = {"level": str(int(offered.level)), "why": offered.why_not_higher}
    for level in (Level.FULL, Level.NAMESPACED, Level.CONFINED):  # level 1 hides the judge for good, so it is last
        isolation = offered.lowered(level)
        for words in (("tcp",), ("judge-environ",), ("judge-maps",), ("judge-signal",), ("fork",), ("chmod", "FOLDER")):
            found[f"{int(level)} {words[0]}"] = launcher.said(isolation, *words)
        for word in ("thread", "capabilities"):
            found[f"{int(level)} {word}"] = launcher.said(isolation, word)
    return found


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
