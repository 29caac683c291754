"""The worker protocol: what the judge can ask of the sandboxed process that runs one candidate."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.worker.batch_request import BatchRequest


class WorkerDied(Exception):
    """The worker process ended; the message says how."""


class WorkerOverdue(Exception):
    """The worker did not answer before its deadline."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The memory limit, extra readable files and environment of one worker. Only the vendor's worker may read its
    library."""

    memory_bytes: int
    readable: tuple[Path, ...] = ()
    environment: Mapping[str, str] | None = None


class Worker(Protocol):
    """The judge's handle of one worker process. Every method except `kill` raises WorkerDied if the process ends, and
    WorkerOverdue if the process misses a deadline."""

    @property
    def language(self) -> str:
        """Language of the candidate. Dispatch overhead depends on the language, because each language has a runtime of
        its own."""

    @property
    def pid(self) -> int:
        """Process id of the worker."""

    def wait_ready(self) -> None:
        """Wait until the worker has loaded the candidate."""

    def send_batch(self, request: BatchRequest) -> None:
        """Write the request for the next batch into the shared memory. The worker must be stopped."""

    def start_batch(self) -> None:
        """Let the stopped worker continue; it then runs the batch that was sent."""

    @property
    def is_done(self) -> bool:
        """Return whether the worker reports that it has run the batch that was sent."""

    @property
    def has_captured(self) -> bool:
        """Return whether the worker reports that it captured the batch's calls as a graph; after a false report,
        outputs stay poisoned."""

    def wait_done(self, deadline_s: float) -> None:
        """Wait, at most `deadline_s` seconds, until the worker reports that it has run the batch."""

    def stop(self) -> None:
        """Stop every thread of the worker; return when none of them runs."""

    def kill(self) -> None:
        """Kill the worker and collect its exit status. Afterwards the worker can write to no memory."""
