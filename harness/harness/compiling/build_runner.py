"""Run the programs of one build, such as compiler and linker, in the sandbox, in one private folder and under one
deadline."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.compiling import diagnostics
from harness.sandbox import launcher as sandbox

MAX_OUTPUT_BYTES = 16 << 20
"""Size limits in bytes: of one file that a build writes, of a program's memory, and of the messages that are read."""
MAX_MEMORY_BYTES = 4 << 30
MAX_MESSAGES_BYTES = 256 << 10


class BuildFault(Exception):
    """Raised when a stage of a build, such as compiling or linking, fails through the candidate's fault, or when the
    build's deadline has passed. The builder that catches it returns a BuildFailure, whose detail is this message."""


@dataclass(frozen=True, slots=True)
class BuildContext:
    """Cache and sandbox of builds: the path of the cache folder, in which finished builds are kept, and the Isolation
    (sandbox level with what its guards need), which confines the programs of a build. The device, or the server for a
    build ahead, makes one."""

    cache: Path
    isolation: sandbox.Isolation

    @property
    def candidates(self) -> Path:
        """Return the path of the folder, inside the cache, that holds finished builds of candidates; the folder may not
        exist yet."""
        return self.cache / "candidates"


@dataclass(frozen=True, slots=True)
class BuildTools:
    """Permissions of every program of a build in its sandbox: files it may execute, environment variables, limits in
    bytes on its memory and on files that it writes, and folders whose names it may list. The builder of each language
    makes its own."""

    programs: tuple[Path, ...]
    """Files that may be executed: programs, and the libraries that they are linked with."""
    environment: Mapping[str, str]
    memory_bytes: int = MAX_MEMORY_BYTES
    file_bytes: int = MAX_OUTPUT_BYTES
    listable: tuple[Path, ...] = ()
    """Folders whose names may be listed, but whose files cannot be read."""


@dataclass(frozen=True, slots=True)
class BuildRunner:
    """One build in progress: its private folder, in which all its programs run, its Isolation (the sandbox level), the
    permissions of its programs (BuildTools), and the time by which it must have ended. `open_runner` makes it; builders
    call `run` for each stage."""

    folder: Path
    isolation: sandbox.Isolation
    tools: BuildTools
    deadline_s: float
    deadline: float
    """Time on the monotonic clock, in seconds, at which the build is stopped; `deadline_s` is its duration."""

    def run(self, command: Sequence[str | Path], *, readable: tuple[Path, ...], listing: int | None = None) -> str:
        """Run one program in the sandbox and return its messages (standard error) as a string. `command` lists program
        and arguments, `readable` the paths that it may read, `listing` a file descriptor for its standard output.
        Raises BuildFault if it exits with another code than 0 or the deadline passes, SandboxError if it cannot be
        started."""
        code, messages, end = self.try_run(command, readable=readable, listing=listing)
        if code != 0:
            raise BuildFault(diagnostics.first_error(messages) or f"the compiler {end} without a message")
        return messages

    def try_run(
        self,
        command: Sequence[str | Path],
        *,
        readable: tuple[Path, ...],
        listing: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> tuple[int, str, str]:
        """Run one program in the sandbox and return (exit code, messages as a string, how it ended in words), also if
        it fails. `readable` lists paths that it may read, `listing` is a file descriptor for its standard output,
        `environment` adds variables. Raises BuildFault only when the deadline passes, SandboxError if the program
        cannot be started."""
        with self.start(command, readable=readable, listing=listing, environment=environment) as finish:
            return finish()

    @contextmanager
    def start(
        self,
        command: Sequence[str | Path],
        *,
        readable: tuple[Path, ...],
        listing: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[Callable[[], tuple[int, str, str]]]:
        """Start one program in the sandbox and yield a function that waits for its end and returns (exit code,
        messages, how it ended in words); the function raises BuildFault when the deadline passes. At the end of the
        block the program is killed. Raises SandboxError if it cannot be started.

        `readable` lists paths that it may read, `listing` is a file descriptor for its standard output, `environment`
        adds variables.
        """
        with memory_file() as messages:
            program = sandbox.Program(command, stdout=messages if listing is None else listing, stderr=messages)
            policy = self._policy(readable, environment or {})
            process = sandbox.launch(program, policy, isolation=self.isolation, folder=self.folder)
            try:
                yield lambda: self._finished(process, messages)
            finally:
                process.kill()

    def _finished(self, process: sandbox.Process, messages: int) -> tuple[int, str, str]:
        code = process.wait(self.deadline - time.monotonic())
        if code is None:
            raise BuildFault(f"deadline: the compiler was still running after {self.deadline_s:g} s")
        end = process.describe_end()
        process.kill()
        return code, self._clean(read_content(messages, MAX_MESSAGES_BYTES)), end

    def _policy(self, readable: tuple[Path, ...], environment: Mapping[str, str]) -> sandbox.Policy:
        default_environment = {"TMPDIR": str(self.folder), "LC_ALL": "C", **self.tools.environment}
        return sandbox.Policy(
            readable=readable,
            listable=self.tools.listable,
            executable=self.tools.programs,
            writable=(self.folder,),
            may_fork=True,
            memory_bytes=self.tools.memory_bytes,
            file_bytes=self.tools.file_bytes,
            environment={**default_environment, **environment},
        )

    def _clean(self, raw: bytes) -> str:
        return diagnostics.clean(raw.decode("utf-8", "replace").replace(f"{self.folder}/", ""))


@contextmanager
def open_runner(isolation: sandbox.Isolation, tools: BuildTools, *, deadline_s: float) -> Iterator[BuildRunner]:
    """Make a new private folder and yield a BuildRunner for it, whose deadline is `deadline_s` seconds from now; at the
    end of the block, remove the folder with all that was built in it. `isolation` is the sandbox level with what its
    guards need; `tools` says what programs of the build may use. Raises SandboxError if the folder cannot be
    removed."""
    with sandbox.private_folder(isolation) as folder:
        yield BuildRunner(folder, isolation, tools, deadline_s, time.monotonic() + deadline_s)


def write_readable(path: Path, text: bytes) -> None:
    """Write `text` (bytes) to the file at `path` and let every user read it, because a build may run as another user;
    return nothing. Raises OSError if the file cannot be written."""
    path.write_bytes(text)
    path.chmod(0o644)


@contextmanager
def memory_file() -> Iterator[int]:
    """Yield the file descriptor of a new, empty file in memory for a program's output, and close it at the end of the
    block. A pipe could fill up and block the program; this file cannot."""
    descriptor = os.memfd_create("messages", os.MFD_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read_content(descriptor: int, limit: int) -> bytes:
    """Return the content of the file behind the file descriptor `descriptor` in bytes, from its beginning, cut off
    after `limit` bytes."""
    return os.pread(descriptor, min(limit, os.fstat(descriptor).st_size), 0)
