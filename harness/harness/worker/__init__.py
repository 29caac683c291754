"""A worker, the process of one candidate: what the judge asks of it, and the programs that run inside."""

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
    """What one worker may have; the vendor's may read its library."""

    memory_bytes: int
    readable: tuple[Path, ...] = ()
    environment: Mapping[str, str] | None = None


class Worker(Protocol):
    """The judge's handle of a worker. Every method but `kill` raises WorkerDied or WorkerOverdue."""

    @property
    def language(self) -> str:
        """Language of the candidate: each has a runtime of its own, with a dispatch overhead of its own."""

    @property
    def pid(self) -> int:
        """Process number, for accounting."""

    def wait_ready(self) -> None:
        """Wait until the candidate is loaded."""

    def send_batch(self, orders: BatchRequest) -> None:
        """Write the next batch. The worker must be stopped."""

    def start_batch(self) -> None:
        """Let the worker run."""

    @property
    def is_done(self) -> bool:
        """Whether the worker says that the batch is done."""

    @property
    def has_captured(self) -> bool:
        """Whether the worker says that it holds the calls as a graph; the outputs of one that lies stay poisoned."""

    def wait_done(self, deadline_s: float) -> None:
        """Wait until the worker says that the batch is done."""

    def stop(self) -> None:
        """Stop every thread of the worker; return when they stand still."""

    def kill(self) -> None:
        """Kill and reap the worker; afterwards nothing of it can write any more."""
