"""Build candidates ahead, in extra processes of the harness (builders), while it is not yet certain that the candidates
will be judged. This saves the judge's time.

These processes share only the cache of builds with the judge. The judge takes finished builds from the cache, waits for
builds that are under way, and makes all others itself. So no verdict depends on a builder, and a builder's failure
appears in the harness's log file only.
"""

import itertools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from kernelsmith.errors import HarnessError
from kernelsmith.judge_client.process import JudgeProcess

MOST = 4
"""The most builders: the lookahead guesses about as many candidates while one is judged."""
CORES_EACH = 3
"""Cores for each builder, which runs the compilers for host and device at the same time; the judge keeps as many."""


def affordable() -> int:
    """Return for how many builders (processes that build candidates ahead) this process has enough CPU cores: at most
    4, one for every 3 cores beyond the first 3, which the judge needs. A result below 1 means that there are too few
    cores for any.
    """
    return min(MOST, len(os.sched_getaffinity(0)) // CORES_EACH - 1)


class Builders:
    """A pool of at most `count` harness processes that build candidates in the background, into the cache from which
    the judge takes builds; `prepare` starts builds and `close` ends the processes. `start()` starts one process and
    returns its JudgeProcess; each of the pool's threads calls it when it needs a process. `task` is the path of the
    task's folder.
    """

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
        """Start to build candidates in the background and return at once. Each element of `sources` describes one
        candidate: a dict with the `path` of its source file and its `language`. Builds of an earlier call that have not
        begun are cancelled. Build failures are not reported.
        """
        for future in self._waiting:
            future.cancel()
        self._waiting = [self._pool.submit(self._build, source) for source in sources]

    def close(self) -> None:
        """Kill all builder processes with SIGKILL, cancel builds that have not begun, and wait until the threads have
        ended. `prepare` cannot be called afterwards.
        """
        for process in self._started:
            process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for process in self._started:
            process.close()

    def _build(self, source: Mapping[str, str]) -> None:
        """Build one candidate in the builder process of the calling thread, and wait for the end of the build. `source`
        is a dict with the `path` of its file and its `language`. A failed build raises nothing; a failed builder
        process raises HarnessError, which the thread pool drops, because the judge meets the same fault and reports it.
        """
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
