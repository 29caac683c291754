"""Runs the programs of one build in the sandbox, in one private folder and under one deadline."""

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
    """A stage of a build failed through the candidate's fault; the message is the verdict's detail."""


@dataclass(frozen=True, slots=True)
class BuildContext:
    """The cache folder that keeps builds, and the sandbox in which the programs of a build run."""

    cache: Path
    isolation: sandbox.Isolation

    @property
    def candidates(self) -> Path:
        """Folder of the cache that holds finished builds."""
        return self.cache / "candidates"


@dataclass(frozen=True, slots=True)
class BuildTools:
    """The programs, environment and limits that the sandbox allows to every program of a build; sizes in bytes."""

    programs: tuple[Path, ...]
    """Files that may be executed: programs, and the libraries that they are linked with."""
    environment: Mapping[str, str]
    memory_bytes: int = MAX_MEMORY_BYTES
    file_bytes: int = MAX_OUTPUT_BYTES
    listable: tuple[Path, ...] = ()
    """Folders whose names may be listed, but whose files cannot be read."""


@dataclass(frozen=True, slots=True)
class BuildRunner:
    """Runs the programs of one build in its private folder until its deadline."""

    folder: Path
    isolation: sandbox.Isolation
    tools: BuildTools
    deadline_s: float
    deadline: float
    """Time on the monotonic clock, in seconds, at which the build is stopped; `deadline_s` is its duration."""

    def run(self, command: Sequence[str | Path], *, readable: tuple[Path, ...], listing: int | None = None) -> str:
        """Run one program; return its messages (standard error). `listing` is a file descriptor that receives standard
        output.

        Raises:
            BuildFault: the program failed, or the deadline passed.
        """
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
        """Run one program that may fail; return (exit code, messages, how it ended in words). Raises BuildFault at the
        deadline."""
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
        """Start one program that runs while other work goes on, and yield a function that waits for it and returns as
        `try_run`.

        The program is killed at the end of the block.
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
    """Yield a BuildRunner with a new private folder. Its deadline is `deadline_s` seconds from now."""
    with sandbox.private_folder(isolation) as folder:
        yield BuildRunner(folder, isolation, tools, deadline_s, time.monotonic() + deadline_s)


def write_readable(path: Path, text: bytes) -> None:
    """Write a file that every user may read, because a build may run as another user."""
    path.write_bytes(text)
    path.chmod(0o644)


@contextmanager
def memory_file() -> Iterator[int]:
    """Yield the descriptor of a new file in memory for a program's output. Unlike a pipe, it cannot fill and block the
    program."""
    descriptor = os.memfd_create("messages", os.MFD_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read_content(descriptor: int, limit: int) -> bytes:
    """Return at most `limit` bytes that were written to a file descriptor."""
    return os.pread(descriptor, min(limit, os.fstat(descriptor).st_size), 0)
