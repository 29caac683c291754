"""Fixtures of the judge's own tests."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def is_private() -> bool:
    """Whether other users, as whom a root's candidates run at level 1, cannot reach this checkout."""
    return os.geteuid() == 0 and not all(way.stat().st_mode & 0o001 for way in (ROOT, *ROOT.parents))


@pytest.fixture
def busy() -> Callable[..., AbstractContextManager[list[int]]]:
    """Keep a core busy with so many endless loops, in a block that is given their processes."""

    @contextmanager
    def loops(core: int, processes: int = 1) -> Iterator[list[int]]:
        pin = lambda: os.sched_setaffinity(0, {core})  # noqa: E731
        started = [
            subprocess.Popen([sys.executable, "-c", "while True: pass"], preexec_fn=pin) for _ in range(processes)
        ]
        try:
            time.sleep(0.2)
            yield [process.pid for process in started]
        finally:
            for process in started:
                process.kill()
                process.wait()

    return loops
