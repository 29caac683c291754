"""The judge's end of one worker: start it, hand it orders, let it go, see that it is done, stop it, kill it.

Orders lie in memory the worker can only read; its status is read but never believed. The words of both are laid out as
in worker/cpu.c.
"""

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import sandbox
from arena.cpu import Arena, Memory
from build import diagnostics

SEQUENCE, CALLS, N_BUFFERS, IS_OUTPUT, SIZES, OFFSETS = 0, 1, 2, 3, 19, 35
"""Word indices of `struct orders`."""
READY, DONE, ERROR = 0, 1, 2
"""Word indices of `struct status`."""
MAX_CALLS = 4096
ORDERS_BYTES = 8 * (OFFSETS + MAX_CALLS * 16)
STATUS_BYTES = 4096
POLLS_BETWEEN_LOOKS = 2000
"""Looks at the doorbell (some 50 ns each) between two looks at the deadline and at the worker's life."""
READY_S = 10.0
"""Deadline of loading a candidate: static constructors run then."""


class WorkerDied(Exception):
    """The worker process ended; the message says how."""


class WorkerOverdue(Exception):
    """The worker did not answer before its deadline."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where workers of this judge run."""

    runtime: Path
    """The compiled worker program."""
    libraries: tuple[Path, ...]
    """What the runtime and every candidate are linked with."""
    isolation: sandbox.Isolation
    core: int | None
    """The core kept for candidates; None where the judge must share the only one."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What one worker may have; the vendor's may read its library."""

    memory_bytes: int
    readable: tuple[Path, ...] = ()
    environment: Mapping[str, str] | None = None


class Worker:
    """One candidate's process. Every method but `kill` raises WorkerDied or WorkerOverdue."""

    def __init__(self, process: sandbox.Process, *, orders: Memory, status: Memory, shares_core: bool) -> None:
        self._process = process
        self._orders: NDArray[np.uint64] = orders.bytes.view(np.uint64)
        self._status = memoryview(status.bytes.data).cast("Q")
        self._error = status.bytes[8 * ERROR :]
        self._sequence = 0
        self._shares_core = shares_core
        self._was_ready = False

    @property
    def pid(self) -> int:
        """For memory accounting."""
        return self._process.pid

    def wait_ready(self) -> None:
        """Wait until the candidate is loaded."""
        self._await(READY, 1, deadline_s=READY_S)
        self._was_ready = True

    def hand_orders(self, sizes: Sequence[int], *, offsets: NDArray[np.uint64], outputs: Sequence[bool]) -> None:
        """Write the next batch: sizes, and byte offsets [calls][buffers]. The worker must be stopped."""
        calls, buffers = offsets.shape
        orders = self._orders
        orders[CALLS], orders[N_BUFFERS] = calls, buffers
        orders[IS_OUTPUT : IS_OUTPUT + buffers] = outputs
        orders[SIZES : SIZES + len(sizes)].view(np.int64)[...] = sizes
        orders[OFFSETS : OFFSETS + offsets.size] = offsets.ravel()
        self._sequence += 1
        orders[SEQUENCE] = self._sequence

    def go(self) -> None:
        """Let the worker run."""
        self._process.cont()

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
            for _ in range(1 if self._shares_core else POLLS_BETWEEN_LOOKS):
                if status[word] == value:
                    return
            if self._process.poll() is not None:
                raise WorkerDied(self._describe_end())
            if time.perf_counter() > end:
                raise WorkerOverdue(f"no answer within {deadline_s:.3g} s")
            if self._shares_core:
                time.sleep(50e-6)

    def _describe_end(self) -> str:
        """How the process ended, with the loader's message where it could not be loaded.

        Once loaded, the candidate itself could write there, and what it writes would reach the next reader.
        """
        end = self._process.describe_end()
        if self._was_ready:
            return end
        text = diagnostics.clean(self._error.tobytes().split(b"\0")[0].decode("utf-8", "replace"))
        return f"{end}: {text}" if text else end


@contextmanager
def hired(artifact: Path, *, arena: Arena, seat: int, workplace: Workplace, profile: Profile) -> Iterator[Worker]:
    """Start a worker on a candidate's shared object at a seat of the arena; it is killed and reaped on the way out."""
    orders = Memory("orders", ORDERS_BYTES, read_only_elsewhere=True)
    status = Memory("status", STATUS_BYTES, read_only_elsewhere=False)
    fds = (orders.fd, status.fd, arena.inputs.fd, arena.outputs[seat].fd)
    try:
        with sandbox.private_folder(workplace.isolation) as folder:
            process = _launch(artifact, folder, fds=fds, workplace=workplace, profile=profile)
            worker = Worker(process, orders=orders, status=status, shares_core=workplace.core is None)
            try:
                yield worker
            finally:
                worker.kill()
                del worker
    finally:
        os.close(orders.fd)
        os.close(status.fd)


def _launch(
    artifact: Path, folder: Path, *, fds: tuple[int, ...], workplace: Workplace, profile: Profile
) -> sandbox.Process:
    runtime, candidate = folder / "worker", folder / "candidate.so"
    shutil.copy(workplace.runtime, runtime)
    shutil.copy(artifact, candidate)
    for path in (runtime, candidate):
        path.chmod(0o755)
    policy = sandbox.Policy(
        readable=(*workplace.libraries, *profile.readable, runtime, candidate),
        executable=(runtime, candidate, *workplace.libraries),
        writable=(),
        may_fork=False,
        cores=None if workplace.core is None else (workplace.core,),
        memory_bytes=profile.memory_bytes,
        environment=dict(profile.environment or {}),
    )
    command = [str(runtime), *map(str, fds), str(candidate)]
    return sandbox.launch(command, policy, isolation=workplace.isolation, folder=folder, keep_fds=fds)
