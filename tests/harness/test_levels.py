"""What each level of the sandbox stops and what it does not: a table, tried by a real program at every level.

harness/README.md, section "Sandbox levels", has the same table.
"""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.verdict import Status
from kernelsmith.errors import UsageError
from kernelsmith.judge_client.harness import HarnessProcess

PROBES = Path(__file__).with_name("probes")
README = Path(__file__).parents[2] / "harness" / "README.md"
ABSTRACT = f"@kernelsmith-{os.getpid()}"

TABLE: dict[str, tuple[set[int], list[str]]] = {
    "the judge: reading its memory, environment, maps, descriptors; tracing; signals; its cores, priority, limits": (
        {1, 2, 3},
        ["judge-environ", "judge-maps", "judge-mem", "judge-descriptors", "judge-oom-score", "judge-vm-read ADDRESS",
         "judge-ptrace", "judge-signal", "judge-signal-0", "judge-affinity", "judge-priority", "judge-limits",
         "judge-pidfd"],
    ),
    "sockets: TCP, UDP, UNIX by path and by abstract name, netlink": (
        {1, 2, 3},
        ["tcp", "udp", "udp-send", "unix", "netlink", "connect SOCKET", f"connect {ABSTRACT}"],
    ),
    "System V shared memory, io_uring, performance counters, new namespaces": (
        {1, 2, 3}, ["shm", "io_uring", "perf", "unshare", "namespace-clone"],
    ),
    "forking; leaving its group, cores or priority; outliving the judge; undoing the judge's stop": (
        {1, 2, 3},
        ["fork", "group-signal", "setsid", "setpgid", "affinity", "nice", "unset-parent-death", "timer-sigcont",
         "self-sigcont", "async-signal"],
    ),
    "writing and changing files, even its own": ({1, 2, 3}, ["write SECRET", "write FOLDER/new", "chmod FOLDER"]),
    "reading files of the judge's user": ({1, 2, 3}, ["read SECRET"]),
    "reading files that every user may read; listing processes": (
        {2, 3}, ["read /etc/passwd", "list /etc", "list /proc", "judge-cmdline"],
    ),
    "starting other programs": ({2, 3}, ["exec"]),
    "listing the folders on the way to its own files": ({3}, ["list /"]),
    "memory beyond its limit": ({0, 1, 2, 3}, ["allocate 536870912"]),
}  # fmt: skip
AS_THE_MACHINE_HAS_IT = {"io_uring", "perf", "unshare", "namespace-clone"}
"""Attempts that a kernel or a container may refuse without this sandbox."""
NO_REFUSAL = ("Invalid argument", "Bad address", "Input/output error")
"""Errors of an attempt that was made wrongly, so that its refusal proves nothing."""
REFUSED_ANYWAY = {"setsid", "setpgid"}
"""The kernel refuses these to every leader of a session."""
NEEDS_ANOTHER_USER = "reading files of the judge's user"


@pytest.fixture(scope="module")
def secret(tmp_path_factory) -> Path:
    """A file that only its owner may read."""
    path = tmp_path_factory.mktemp("secret") / "secret"
    path.write_text("the judge's")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def listening(tmp_path_factory) -> Iterator[Path]:
    """A socket's path; another one listens by its abstract name."""
    path = tmp_path_factory.mktemp("socket") / "s"
    with socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as abstract:
        named.bind(str(path))
        abstract.bind("\0" + ABSTRACT[1:])
        named.listen()
        abstract.listen()
        yield path


@pytest.fixture(scope="module", params=[0, 1, 2, 3])
def tried(request, secret, listening, tmp_path_factory) -> tuple[int, dict[str, str]]:
    """The level, and what came of every attempt of the table at it."""
    program = tmp_path_factory.mktemp("probe") / "attempts"
    subprocess.run(["cc", "-O1", "-Wall", "-Werror", "-o", program, PROBES / "attempts.c"], check=True)
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    places = {"SECRET": str(secret), "SOCKET": str(listening)}
    attempts = [attempt for _, row in TABLE.values() for attempt in row]
    asked = {
        "program": str(program),
        "loader": re.findall(r"(?<=\s)(/\S+)", linked),
        "attempts": [[places.get(word, word) for word in a.split()] for a in ["environment", "descriptors", *attempts]],
    }
    command = [sys.executable, PROBES / "at_level.py", str(request.param)]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    if found["level"] < request.param:
        pytest.skip(f"level {request.param} is not offered here: {found['why']}")
    names = {" ".join(places.get(word, word) for word in attempt.split()): attempt for attempt in attempts}
    return request.param, {names.get(said, said): text for said, text in found["said"].items()}


@pytest.mark.parametrize("what", TABLE)
def test_a_level_stops_what_the_table_says_and_nothing_else(tried, what):
    level, said = tried
    levels, attempts = TABLE[what]
    if what == NEEDS_ANOTHER_USER and os.geteuid() != 0 and level == 1:
        pytest.skip("at level 1 an ordinary user's candidates are that user")
    for attempt in attempts:
        if level in levels or attempt in REFUSED_ANYWAY:
            assert said[attempt].startswith("refused"), (attempt, said[attempt])
            assert not [reason for reason in NO_REFUSAL if reason in said[attempt]], (attempt, said[attempt])
        elif attempt == "exec":
            assert said[attempt] == "exited with 0"
        elif level or attempt not in AS_THE_MACHINE_HAS_IT:
            assert said[attempt].startswith("done"), (attempt, said[attempt])


def test_at_no_level_are_environment_and_descriptors_inherited(tried):
    _, said = tried
    assert said["environment"] == "done\nexited with 0"
    assert set(re.findall(r"fd (\d+)", said["descriptors"])) == {"0", "1", "2"}


def test_the_readme_has_the_same_table():
    written = README.read_text(encoding="utf-8")
    for what, (levels, _) in TABLE.items():
        assert f"| {what} | {', '.join(map(str, sorted(levels)))} |" in written


# --- a judge at a lower level ---------------------------------------------------------------------------------------


HONEST = "for (int i = 0; i < M; i++) for (int j = 0; j < N; j++) { float s = 0; \
for (int k = 0; k < K; k++) s += A[i*K+k] * B[j*K+k]; C[i*N+j] = s; }"
HEAD = "void matmul(const float *A, const float *B, float *C, int M, int N, int K)"


def test_a_judge_works_at_a_lower_level_and_says_at_which(small_task, tmp_path):
    """At level 2, whose file tree a candidate's user must be able to walk; the test of the cache is at level 1."""
    with HarnessProcess(small_task, folder=tmp_path, calibration_s=0.1, isolation_at_most=2) as process:
        device = process.open()
        if device.isolation < 2:
            pytest.skip(f"this machine offers level {device.isolation}")
        verdict = process.submit(Candidate(f"{HEAD} {{ {HONEST} }}", Language.C), None).result()
    assert (verdict.status, verdict.isolation) == (Status.PASSED, 2)


def test_without_a_sandbox_a_judge_does_not_start_unless_candidates_are_trusted(small_task, tmp_path):
    process = HarnessProcess(small_task, folder=tmp_path, isolation_at_most=0)
    with process, pytest.raises(UsageError, match=r"level 0 was requested.*--trust-candidates"):
        process.open()


def test_what_was_built_with_fewer_guards_is_not_found_by_a_judge_that_has_them_all(small_task, tmp_path, is_private):
    """At level 1 a compiler can read what everybody can; its output must not stand in a cache that level 3 trusts."""
    if is_private:
        pytest.skip("level 1 needs a checkout that every user can reach")
    (tmp_path / "public").write_text("for everybody")
    embeds = f'__asm__(".section .rodata\\n.incbin \\"{"/etc/passwd"}\\"\\n.previous");\n/* {tmp_path} */\n'
    candidate = Candidate(f"{embeds}{HEAD} {{ {HONEST} }}", Language.C)
    statuses = []
    for level in (1, 3):
        with HarnessProcess(small_task, folder=tmp_path, calibration_s=0.1, isolation_at_most=level) as process:
            if process.open().isolation < level:
                pytest.skip(f"this machine does not offer level {level}")
            statuses.append(process.submit(candidate, None).result().status)
    assert statuses == [Status.PASSED, Status.BUILD_FAILED]
