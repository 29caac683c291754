"""Processes of the harness that build candidates before it is certain that they will be judged.

They share nothing with the judge but the cache of builds: what they have built is found there, what they are building
is waited for, and what they never began the judge builds itself. So nothing depends on them, and their failures are
told in the log file of the harness only.
"""

import itertools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from kernelsmith.errors import HarnessError
from kernelsmith.judge_client.process import JudgeProcess

MOST = 4
"""Guesses at one verdict are about as many."""
CORES_EACH = 3
"""A build starts compilers for host and device side by side; the judge and its worker keep as many."""


def affordable() -> int:
    """How many builders the cores of this process are enough for; none on a small machine."""
    return min(MOST, len(os.sched_getaffinity(0)) // CORES_EACH - 1)


class Builders:
    """Keeps at most `count` builders, each started when it first has something to do; `start` makes one."""

    def __init__(self, count: int, *, start: Callable[[], JudgeProcess], task: str) -> None:
        self._start = start
        self._task = task
        self._numbers = itertools.count()
        self._pool = ThreadPoolExecutor(max_workers=count, thread_name_prefix="builder")
        # A process of the harness dies with the thread that started it, so each thread has its own.
        self._own = threading.local()
        self._started: list[JudgeProcess] = []
        self._waiting: list[Future[None]] = []

    def prepare(self, sources: Sequence[Mapping[str, str]]) -> None:
        """Build these next; what was to be built before and has not begun is no longer wanted."""
        for future in self._waiting:
            future.cancel()
        self._waiting = [self._pool.submit(self._build, source) for source in sources]

    def close(self) -> None:
        """End all of them."""
        for process in self._started:
            process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for process in self._started:
            process.close()

    def _build(self, source: Mapping[str, str]) -> None:
        """Raises HarnessError, which nobody hears: the judge will meet the same trouble, and is heard."""
        request_id = f"build-{next(self._numbers)}"
        self._process().ask(
            request_id, "build", on_progress=lambda stage, step: None, task=self._task, candidate=source
        )

    def _process(self) -> JudgeProcess:
        process: JudgeProcess | None = getattr(self._own, "process", None)
        if process is None:
            process = self._own.process = self._start()
            self._started.append(process)
        if not process.is_alive:
            raise HarnessError("the builder has ended")
        return process
