"""The CPU of this machine: which cores the judge and the candidates use, the last-level cache, and the peak of one
core.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.compiling import trusted
from harness.contract import TIMING
from harness.errors import MachineError

HERE = Path(__file__).resolve().parent
PROBES_PER_S: int = TIMING["calibration"]["probes_per_s"]
"""Number of peak probes per second of calibration; 2 s give more than 100 probes of 3 ms."""
PROBES = {"fp32": HERE / "fma.c", "dram": HERE / "stream.c"}
"""Source of the program that measures the peak of each unit of a CPU."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cores:
    """The core that runs candidates and the cores that run the judge; they are the same core if there is only one."""

    worker: int
    """Number of the core that runs candidates."""
    judge: tuple[int, ...]
    """Numbers of the cores that run the judge and its builds."""

    @property
    def shared(self) -> bool:
        """Return whether the judge and the candidates share one core, because the process may use only one."""
        return self.judge == (self.worker,)


def split_cores() -> Cores:
    """Return the division of the cores that this process may use: the last core for candidates, all others for the
    judge.
    """
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[-1], tuple(allowed[:-1]) or (allowed[-1],))


@contextmanager
def pin_judge(cores: Cores) -> Iterator[None]:
    """Pin the judge, and every build that it starts, to the judge's cores while the `with` block runs."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores.judge)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def at_low_priority(work: Callable[[], T], *, nice: int) -> T:
    """Call `work` at a lower priority, which the programs that it starts inherit; return its result or raise its
    exception. `nice` is the smallest nice value that the call gets, 0 to 19; a higher value is a lower priority.

    Linux sets the priority per thread, and only root may raise it again (setpriority(2)), so `work` runs in a new
    thread.
    """
    with ThreadPoolExecutor(1, initializer=_lower_priority, initargs=(nice,)) as pool:
        return pool.submit(work).result()


def _lower_priority(nice: int) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, max(nice, os.getpriority(os.PRIO_PROCESS, 0)))


def last_level_cache_bytes() -> int:
    """Return the size in bytes of the largest cache of core 0, or 32 MiB if the kernel does not report sizes."""
    sizes = [
        int(path.read_text().strip().removesuffix("K")) << 10
        for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")
    ]
    return max(sizes, default=32 << 20)


def measure_peak(unit: str, cache: Path, *, core: int, seconds: float) -> list[float]:
    """Return the rate of each probe of a unit's peak on one core: FLOP/s, or bytes per second for `dram`. `cache` is
    the folder of built programs, `seconds` is the time over which probes are spread.

    Raises:
        MachineError: the probe program cannot be built or run.
    """
    program = trusted.program(PROBES[unit], cache)
    arguments = (max(10, round(PROBES_PER_S * seconds)), seconds, last_level_cache_bytes())
    command = [str(program), *map(str, arguments)]
    pin = lambda: os.sched_setaffinity(0, {core})  # noqa: E731
    result = subprocess.run(command, capture_output=True, text=True, preexec_fn=pin, timeout=60 + seconds, check=False)
    if result.returncode != 0:
        raise MachineError(f"the peak probe exited with {result.returncode}: {result.stderr.strip()[:200]}")
    return [float(line) for line in result.stdout.split()]
