"""Start and control one worker process: suspend, resume and terminate it, send it batch requests, and wait for its
answers.

Requests lie in shared memory ("orders") that the worker can only read. The worker writes its progress into other shared
memory ("status"). The judge reads the status, but no result depends on its truth.
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
"""Most threads of a worker whose host memory is watched; CUDA and Triton start about ten."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
POLLS_BETWEEN_CHECKS = 2000
"""Reads of the status word (about 50 ns each) between two checks of the deadline and of whether the worker still
runs."""


@dataclass(frozen=True, slots=True)
class WorkerTraits:
    """Properties of one kind of worker, by which the judge controls it: the deadline in seconds for loading a
    candidate, whether judge and worker share the only core, the limit on resident host memory in bytes, a function from
    fault number to its description, and the candidate's language. The device makes it.
    """

    ready_s: float
    """Deadline in seconds for loading a candidate, which runs its static constructors or its Python module."""
    shares_core: bool
    """Whether the judge and the worker share the only core; the judge then sleeps while it waits."""
    host_bytes: int | None
    """Resident memory in bytes above which the worker is killed; None if its address space is limited instead."""
    fault: Callable[[int], str]
    """Return the sentence for a fault number that the worker wrote; the worker can choose the number, but not the
    words."""
    language: str
    """Language of the candidate, on which the dispatch overhead depends."""


class WorkerProcess:
    """The judge's handle of a worker that is a real process, an implementation of the protocol Worker. It holds the
    sandboxed process, the shared memory with requests to the worker (`orders`), the shared memory with the worker's
    progress (`status`), and the WorkerTraits (deadline, limits, language). `started` makes it."""

    def __init__(
        self, process: sandbox.Process, *, orders: SealedMemory, status: SealedMemory, traits: WorkerTraits
    ) -> None:
        self._process = process
        self._traits = traits
        self._orders: NDArray[np.uint64] = orders.bytes.view(np.uint64)
        self._status = memoryview(status.bytes.data).cast("Q")
        self._error = status.bytes[8 * ERROR :]
        self._sequence = 0
        self._was_ready = False

    @property
    def language(self) -> str:
        """Return the language of the candidate (`c`, `cuda` or `triton`)."""
        return self._traits.language

    @property
    def pid(self) -> int:
        """Return the operating system's process id of the worker."""
        return self._process.pid

    def wait_ready(self) -> None:
        """Wait until the worker reports that it has loaded the candidate; return nothing. Raises WorkerDied if the
        process ends (the message contains the loader's message, if any) or exceeds a limit, and WorkerOverdue after
        `WorkerTraits.ready_s` seconds."""
        self._await(READY, 1, deadline_s=self._traits.ready_s)
        self._was_ready = True

    def send_batch(self, request: BatchRequest) -> None:
        """Write `request`, a BatchRequest for the next batch, into the shared memory "orders"; return nothing. The
        worker must be suspended. Does not notice if the process has ended; `wait_done` does."""
        (calls, buffers), words = request.offsets.shape, self._orders
        words[CALLS], words[N_BUFFERS], words[MANNER] = calls, buffers, request.manner
        words[IS_OUTPUT : IS_OUTPUT + buffers] = request.outputs
        words[SIZES : SIZES + len(request.sizes)].view(np.int64)[...] = request.sizes
        words[OFFSETS : OFFSETS + request.offsets.size] = request.offsets.ravel()
        self._sequence += 1
        words[SEQUENCE] = self._sequence

    def start_batch(self) -> None:
        """Resume the suspended worker (SIGCONT), which then runs the batch that was sent; return without waiting. Does
        not raise if the process has ended; `wait_done` does."""
        self._process.cont()

    @property
    def is_done(self) -> bool:
        """Return True if the worker's status says that it has run the batch that was sent. Reads shared memory only, so
        it does not raise if the process has ended."""
        return bool(self._status[DONE] == self._sequence)

    @property
    def has_captured(self) -> bool:
        """Return True if the worker's status says that it recorded the calls of the batch as a CUDA graph. Reads shared
        memory only, so it does not raise if the process has ended."""
        return bool(self._status[CAPTURED] == self._sequence)

    def wait_done(self, deadline_s: float) -> None:
        """Wait, at most `deadline_s` seconds, until the worker's status says that the batch was run; return nothing.
        Raises WorkerDied if the process ends or exceeds a limit on memory or threads (it is then killed), and
        WorkerOverdue after the deadline."""
        self._await(DONE, self._sequence, deadline_s=deadline_s)

    def stop(self) -> None:
        """Suspend every thread of the worker (SIGSTOP) and return when none of them runs. Raises WorkerDied if the
        process has ended, or was killed because it did not suspend within one second."""
        if not self._process.stop():
            raise WorkerDied(self._describe_end())

    def kill(self) -> None:
        """Terminate the worker process with SIGKILL, if it still runs, and collect its exit status; return nothing.
        Afterwards the worker can write to no memory."""
        self._process.kill()

    def _await(self, word: int, value: int, *, deadline_s: float) -> None:
        status, end = self._status, time.perf_counter() + deadline_s
        while True:
            for _ in range(1 if self._traits.shares_core else POLLS_BETWEEN_CHECKS):
                if status[word] == value:
                    return
            if self._process.poll() is not None:
                raise WorkerDied(self._describe_end())
            self._check_limits()
            if time.perf_counter() > end:
                raise WorkerOverdue(f"no answer within {deadline_s:.3g} s")
            if self._traits.shares_core:
                time.sleep(50e-6)

    def _check_limits(self) -> None:
        """Kill the worker and raise WorkerDied if it takes more resident host memory than `WorkerTraits.host_bytes` or
        has more than 256 threads; otherwise return nothing. If `host_bytes` is None, check nothing.

        The system's limits do not cover these: CUDA reserves more address space than the machine has memory, and the
        limit on processes does not bind root.
        """
        limit = self._traits.host_bytes
        if limit is None:
            return
        if (taken := _resident_bytes(self.pid)) > limit:
            self.kill()
            raise WorkerDied(
                f"killed: the worker took {taken >> 20:,} MiB of host memory, and {limit >> 20:,} MiB are allowed"
            )
        if (threads := _thread_count(self.pid)) > MAX_THREADS:
            self.kill()
            raise WorkerDied(f"killed: the worker had {threads} threads, and {MAX_THREADS} are allowed")

    def _describe_end(self) -> str:
        """Return one sentence that says how the process ended: the words for the fault number that the worker wrote, if
        any, otherwise the exit code or signal, followed by the loader's message if the candidate was never loaded.

        Once loaded, a candidate could write a message of its own, which the next reader, perhaps a model, would read.
        After loading, only a fault number is read, for which the judge has the words.
        """
        end = self._process.describe_end()
        if fault := int(self._status[FAULT]):
            return f"{self._traits.fault(fault)} ({end})"
        if self._was_ready:
            return end
        text = hygiene.text(self._error.tobytes().split(b"\0")[0].decode("utf-8", "replace"))
        return f"{end}: {text}" if text else end


def _resident_bytes(pid: int) -> int:
    """Return the resident host memory in bytes of the process with the id `pid`, read from /proc/PID/statm; 0 if the
    process no longer exists. The judge compares it with the worker's limit."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
    except (OSError, IndexError):
        return 0


def _thread_count(pid: int) -> int:
    """Return the number of threads of the process with the id `pid`, read from /proc/PID/stat; 0 if the process no
    longer exists. The judge compares it with the limit of 256."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[17])
    except (OSError, IndexError):
        return 0


Launch = Callable[[Path, int, int], sandbox.Process]
"""Starts a worker's program in its private folder. Arguments: the folder, and the file descriptors of orders and
status."""


@contextmanager
def started(launch: Launch, *, isolation: sandbox.Isolation, traits: WorkerTraits) -> Iterator[WorkerProcess]:
    """Start a worker in a new private folder and yield its WorkerProcess, which may not have loaded its candidate yet;
    at the end of the block, kill the worker and remove the folder. `launch` is called with the folder and the file
    descriptors of orders and status, and returns the sandboxed process; `isolation` is the sandbox level with what its
    guards need; `traits` are deadline, limits and language. Raises SandboxError if the sandbox fails."""
    orders = SealedMemory("orders", ORDERS_BYTES, read_only_elsewhere=True)
    status = SealedMemory("status", STATUS_BYTES, read_only_elsewhere=False)
    try:
        with sandbox.private_folder(isolation) as folder:
            process = launch(folder, orders.fd, status.fd)
            worker = WorkerProcess(process, orders=orders, status=status, traits=traits)
            try:
                yield worker
            finally:
                worker.kill()
                del worker
    finally:
        os.close(orders.fd)
        os.close(status.fd)
