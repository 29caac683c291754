"""Define the worker protocol: how the judge controls a worker, the sandboxed process that runs one candidate."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.worker.batch_request import BatchRequest


class WorkerDied(Exception):
    """Raised when the judge waits for a worker process that has ended or was killed for exceeding a limit. The message
    says how it ended, such as `killed by SIGSEGV`; the judge turns it into a `crashed` verdict."""


class WorkerOverdue(Exception):
    """Raised when a worker has not loaded its candidate, or not run its batch, before the deadline. The message names
    the deadline in seconds; the judge turns it into a `timed_out` verdict."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Permissions of one worker in addition to the rules for every worker: its memory limit in bytes, the paths of
    extra files that it may read, and extra environment variables (a dict, or None for none). Only the worker that runs
    the vendor's library (such as cuBLAS) for comparison gets extra files."""

    memory_bytes: int
    readable: tuple[Path, ...] = ()
    environment: Mapping[str, str] | None = None


class Worker(Protocol):
    """The judge's handle of one worker process, in which one candidate runs batches of calls. A device makes it.
    `wait_ready`, `wait_done` and `stop` raise WorkerDied if the process has ended; the first two raise WorkerOverdue
    after their deadline."""

    @property
    def language(self) -> str:
        """Return the language of the candidate (`c`, `cuda` or `triton`). The judge subtracts a constant dispatch
        overhead from a batch's time, and this overhead depends on the language, because each has a runtime of its
        own."""

    @property
    def pid(self) -> int:
        """Return the operating system's process id of the worker; 0 for a scripted worker."""

    def wait_ready(self) -> None:
        """Wait until the worker reports that it has loaded the candidate; return nothing. Raises WorkerDied if the
        process ends, for example because loading fails, and WorkerOverdue after the device's deadline for loading."""

    def send_batch(self, request: BatchRequest) -> None:
        """Write `request` (a BatchRequest: sizes, offsets of all buffers, and how to run the calls) into memory that
        the worker reads; return nothing. The worker must be suspended and runs the batch only after `start_batch`."""

    def start_batch(self) -> None:
        """Resume the suspended worker, which then runs the batch that was sent; return without waiting. If the process
        has ended, `wait_done` raises WorkerDied, not this method."""

    @property
    def is_done(self) -> bool:
        """Return True if the worker reports that it has run the batch that was sent. The report may be a lie and only
        says when the judge may read the outputs. Does not raise if the process has ended."""

    @property
    def has_captured(self) -> bool:
        """Return True if the worker reports that it has recorded the calls of the batch as a CUDA graph, so that later
        batches can launch the graph instead of the single calls. If the report is false, later outputs stay unwritten
        and their check fails. Does not raise if the process has ended."""

    def wait_done(self, deadline_s: float) -> None:
        """Wait, at most `deadline_s` seconds, until the worker reports that it has run the batch; return nothing.
        Raises WorkerDied if the process ends, and WorkerOverdue after the deadline."""

    def stop(self) -> None:
        """Suspend every thread of the worker (SIGSTOP) and return when none of them runs. Raises WorkerDied if the
        process has ended, or had to be killed because it could not be suspended."""

    def kill(self) -> None:
        """Terminate the worker process with SIGKILL, if it still runs, and collect its exit status; return nothing.
        Afterwards the worker can write to no memory. Never raises WorkerDied."""
