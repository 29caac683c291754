"""The judge's handle of one worker process: start it, hand it orders, let it run, wait for it, stop it, kill it.

Orders lie in memory that the worker can only read; the judge reads its status and does not believe it.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.contract import WIRE
from harness.memory.sealed import SealedMemory
from harness.sandbox import launcher as sandbox
from harness.wire import text as hygiene
from harness.worker import WorkerDied, WorkerOverdue
from harness.worker.batch_request import BatchRequest
from harness.worker.runtime.layout import (
    CALLS,
    CAPTURED,
    DONE,
    ERROR,
    FAULT,
    IS_OUTPUT,
    MANNER,
    MAX_BUFFERS,
    N_BUFFERS,
    OFFSETS,
    READY,
    SEQUENCE,
    SIZES,
    STATUS_BYTES,
)

ORDERS_BYTES = 8 * (OFFSETS + WIRE["most_calls"] * MAX_BUFFERS)
MAX_THREADS = 256
"""Of a worker whose host memory is watched; CUDA and Triton start some ten."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
POLLS_BETWEEN_LOOKS = 2000
"""Looks at the doorbell (some 50 ns each) between two looks at the deadline and at the worker's life."""


@dataclass(frozen=True, slots=True)
class WorkerTraits:
    """How a kind of worker is waited for and how its end is told."""

    ready_s: float
    """Deadline of loading a candidate: its static constructors, or its module, run then."""
    shares_core: bool
    """Whether the judge must leave it the only core."""
    host_bytes: int | None
    """Resident memory beyond which the worker is killed; None where its address space is limited."""
    fault: Callable[[int], str]
    """The sentence for a number that the worker left in `fault`; only the number is the worker's."""
    language: str
    """What its candidate is written in: each has a runtime of its own, with a constant of its own."""


class WorkerProcess:
    """One candidate's process; see Worker."""

    def __init__(
        self, process: sandbox.Process, *, orders: SealedMemory, status: SealedMemory, manner: WorkerTraits
    ) -> None:
        self._process = process
        self._manner = manner
        self._orders: NDArray[np.uint64] = orders.bytes.view(np.uint64)
        self._status = memoryview(status.bytes.data).cast("Q")
        self._error = status.bytes[8 * ERROR :]
        self._sequence = 0
        self._was_ready = False

    @property
    def language(self) -> str:
        """Of its candidate."""
        return self._manner.language

    @property
    def pid(self) -> int:
        """For memory accounting."""
        return self._process.pid

    def wait_ready(self) -> None:
        """Wait until the candidate is loaded."""
        self._await(READY, 1, deadline_s=self._manner.ready_s)
        self._was_ready = True

    def send_batch(self, orders: BatchRequest) -> None:
        """Write the next batch. The worker must be stopped."""
        (calls, buffers), words = orders.offsets.shape, self._orders
        words[CALLS], words[N_BUFFERS], words[MANNER] = calls, buffers, orders.manner
        words[IS_OUTPUT : IS_OUTPUT + buffers] = orders.outputs
        words[SIZES : SIZES + len(orders.sizes)].view(np.int64)[...] = orders.sizes
        words[OFFSETS : OFFSETS + orders.offsets.size] = orders.offsets.ravel()
        self._sequence += 1
        words[SEQUENCE] = self._sequence

    def start_batch(self) -> None:
        """Let the worker run."""
        self._process.cont()

    @property
    def is_done(self) -> bool:
        """Whether the worker says that the batch is done."""
        return bool(self._status[DONE] == self._sequence)

    @property
    def has_captured(self) -> bool:
        """Whether the worker says that the calls it was to capture can be replayed; one that lies has no outputs."""
        return bool(self._status[CAPTURED] == self._sequence)

    def wait_done(self, deadline_s: float) -> None:
        """Spin until the worker says that the batch is done."""
        self._await(DONE, self._sequence, deadline_s=deadline_s)

    def stop(self) -> None:
        """Stop every thread of the worker; returns when they stand still."""
        if not self._process.stop():
            raise WorkerDied(self._describe_end())

    def kill(self) -> None:
        """Kill and reap; afterwards nothing of the worker can write any more."""
        self._process.kill()

    def _await(self, word: int, value: int, *, deadline_s: float) -> None:
        status, end = self._status, time.perf_counter() + deadline_s
        while True:
            for _ in range(1 if self._manner.shares_core else POLLS_BETWEEN_LOOKS):
                if status[word] == value:
                    return
            if self._process.poll() is not None:
                raise WorkerDied(self._describe_end())
            self._check_memory_limit()
            if time.perf_counter() > end:
                raise WorkerOverdue(f"no answer within {deadline_s:.3g} s")
            if self._manner.shares_core:
                time.sleep(50e-6)

    def _check_memory_limit(self) -> None:
        """What no limit of the system's bounds: memory where CUDA maps more than there is, threads of a root."""
        limit = self._manner.host_bytes
        if limit is None:
            return
        if (taken := _resident_bytes(self.pid)) > limit:
            self.kill()
            raise WorkerDied(f"killed, for it took {taken >> 20:,} MiB of host memory; {limit >> 20:,} are allowed")
        if (threads := _threads(self.pid)) > MAX_THREADS:
            self.kill()
            raise WorkerDied(f"killed, for it had {threads} threads; {MAX_THREADS} are allowed")

    def _describe_end(self) -> str:
        """How the process ended, with the loader's message where it could not be loaded.

        Once loaded, the candidate itself could write there, and what it writes would reach the next reader: of its
        later faults only a number counts, for which we have the words.
        """
        end = self._process.describe_end()
        if fault := int(self._status[FAULT]):
            return f"{self._manner.fault(fault)} ({end})"
        if self._was_ready:
            return end
        text = hygiene.text(self._error.tobytes().split(b"\0")[0].decode("utf-8", "replace"))
        return f"{end}: {text}" if text else end


def _resident_bytes(pid: int) -> int:
    """Of a living process; 0 of one that has just ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
    except (OSError, IndexError):
        return 0


def _threads(pid: int) -> int:
    """Of a living process; 0 of one that has just ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[17])
    except (OSError, IndexError):
        return 0


Launch = Callable[[Path, int, int], sandbox.Process]
"""Starts a worker's program in its private folder; it reads the orders and writes the status of these descriptors."""


@contextmanager
def started(launch: Launch, *, isolation: sandbox.Isolation, manner: WorkerTraits) -> Iterator[WorkerProcess]:
    """Start a worker in a private folder of its own; kill and reap it at the end of the block."""
    orders = SealedMemory("orders", ORDERS_BYTES, read_only_elsewhere=True)
    status = SealedMemory("status", STATUS_BYTES, read_only_elsewhere=False)
    try:
        with sandbox.private_folder(isolation) as folder:
            process = launch(folder, orders.fd, status.fd)
            worker = WorkerProcess(process, orders=orders, status=status, manner=manner)
            try:
                yield worker
            finally:
                worker.kill()
                del worker
    finally:
        os.close(orders.fd)
        os.close(status.fd)
