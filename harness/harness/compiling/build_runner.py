"""A builder's workbench: one program after the other in the sandbox, in one private folder, until one deadline."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.compiling import diagnostics
from harness.sandbox import launcher as sandbox

MAX_OUTPUT_BYTES = 16 << 20
MAX_MEMORY_BYTES = 4 << 30
MAX_MESSAGES_BYTES = 256 << 10


class BuildFault(Exception):
    """A stage failed by the candidate's fault; the message is the detail."""


@dataclass(frozen=True, slots=True)
class BuildContext:
    """Where candidates are built: the judge's cache, and the sandbox of every stage."""

    cache: Path
    isolation: sandbox.Isolation

    @property
    def candidates(self) -> Path:
        """The folder of the cache that holds what was built."""
        return self.cache / "candidates"


@dataclass(frozen=True, slots=True)
class BuildTools:
    """The programs, cores and memory that the sandbox allows to each program of a build; sizes in bytes."""

    programs: tuple[Path, ...]
    """Programs that it may run, with what they are linked with."""
    environment: Mapping[str, str]
    memory_bytes: int = MAX_MEMORY_BYTES
    file_bytes: int = MAX_OUTPUT_BYTES
    listable: tuple[Path, ...] = ()
    """Folders whose names, but not whose contents, it may see."""


@dataclass(frozen=True, slots=True)
class BuildRunner:
    """One build: where it happens, with what, and until when."""

    folder: Path
    isolation: sandbox.Isolation
    equipment: BuildTools
    deadline_s: float
    deadline: float
    """On the monotonic clock."""

    def run(self, command: Sequence[str | Path], *, readable: tuple[Path, ...], listing: int | None = None) -> str:
        """One program that must succeed; what it said on its error stream.

        Raises:
            BuildFault: it failed, or the deadline passed.
        """
        code, said, end = self.tried(command, readable=readable, listing=listing)
        if code != 0:
            raise BuildFault(diagnostics.first_error(said) or f"the compiler {end} without a message")
        return said

    def tried(
        self,
        command: Sequence[str | Path],
        *,
        readable: tuple[Path, ...],
        listing: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> tuple[int, str, str]:
        """One program: its exit code, what it said, how it ended. Raises BuildFault: the deadline passed."""
        with self.started(command, readable=readable, listing=listing, environment=environment) as finish:
            return finish()

    @contextmanager
    def started(
        self,
        command: Sequence[str | Path],
        *,
        readable: tuple[Path, ...],
        listing: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[Callable[[], tuple[int, str, str]]]:
        """One program that runs beside others; what is given waits for it, as `tried` does."""
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
        return code, self._clean(content(messages, MAX_MESSAGES_BYTES)), end

    def _policy(self, readable: tuple[Path, ...], environment: Mapping[str, str]) -> sandbox.Policy:
        usual = {"TMPDIR": str(self.folder), "LC_ALL": "C", **self.equipment.environment}
        return sandbox.Policy(
            readable=readable,
            listable=self.equipment.listable,
            executable=self.equipment.programs,
            writable=(self.folder,),
            may_fork=True,
            memory_bytes=self.equipment.memory_bytes,
            file_bytes=self.equipment.file_bytes,
            environment={**usual, **environment},
        )

    def _clean(self, raw: bytes) -> str:
        return diagnostics.clean(raw.decode("utf-8", "replace").replace(f"{self.folder}/", ""))


@contextmanager
def set_up(isolation: sandbox.Isolation, equipment: BuildTools, *, deadline_s: float) -> Iterator[BuildRunner]:
    """Yield a runner in a new private folder; its deadline counts from now."""
    with sandbox.private_folder(isolation) as folder:
        yield BuildRunner(folder, isolation, equipment, deadline_s, time.monotonic() + deadline_s)


def place(path: Path, text: bytes) -> None:
    """A file that the build's user may read."""
    path.write_bytes(text)
    path.chmod(0o644)


@contextmanager
def memory_file() -> Iterator[int]:
    """Where a stage writes, bounded by its policy, without a pipe that could fill."""
    descriptor = os.memfd_create("messages", os.MFD_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def content(descriptor: int, limit: int) -> bytes:
    """What was written to it."""
    return os.pread(descriptor, min(limit, os.fstat(descriptor).st_size), 0)
