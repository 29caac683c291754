"""The CPU of this machine: divide its cores between judge and candidates, read its cache size, and measure the peak
rates of one core.
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
    """The numbers of the core that runs candidates (`worker`) and of the cores that run the judge and its builds
    (`judge`); they are the same core if the process may use only one. `split_cores` makes it.
    """

    worker: int
    """Number of the core that runs candidates."""
    judge: tuple[int, ...]
    """Numbers of the cores that run the judge and its builds."""

    @property
    def shared(self) -> bool:
        """Return True if the judge and the candidates share the only core that this process may use."""
        return self.judge == (self.worker,)


def split_cores() -> Cores:
    """Divide the cores that this process may use: the one with the highest number for candidates, all others for the
    judge. If there is only one, both get it.
    """
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[-1], tuple(allowed[:-1]) or (allowed[-1],))


@contextmanager
def pin_judge(cores: Cores) -> Iterator[None]:
    """Restrict this thread, and every process that it starts, to the judge's cores while the `with` block runs; restore
    the former cores when it ends. Yields None. Raises OSError if the system does not allow these cores.
    """
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores.judge)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def at_low_priority(work: Callable[[], T], *, nice: int) -> T:
    """Call `work`, a function without arguments, in a new thread of low priority, return its result, or raise its
    exception. `nice` is the thread's nice value (0 to 19, higher = lower priority), unless the thread already has a
    higher one. Programs that `work` starts inherit the priority.

    Linux sets the priority per thread, and only root may raise it again (setpriority(2)), so `work` runs in a new
    thread.
    """
    with ThreadPoolExecutor(1, initializer=_lower_priority, initargs=(nice,)) as pool:
        return pool.submit(work).result()


def _lower_priority(nice: int) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, max(nice, os.getpriority(os.PRIO_PROCESS, 0)))


def last_level_cache_bytes() -> int:
    """Return the size in bytes of the largest cache of core 0, or 32 MiB if the operating system does not report cache
    sizes.
    """
    sizes = [
        int(path.read_text().strip().removesuffix("K")) << 10
        for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")
    ]
    return max(sizes, default=32 << 20)


def measure_peak(unit: str, cache: Path, *, core: int, seconds: float) -> list[float]:
    """Run a peak probe, a program that reaches the highest rate of `unit` (`fp32` or `dram`), on the core numbered
    `core`, repeatedly over `seconds` seconds. Return a list of the rates: operations per second, or bytes per second
    for `dram`. `cache` is the folder of compiled programs. Raises MachineError if the program cannot be built or fails.
    """
    program = trusted.program(PROBES[unit], cache)
    arguments = (max(10, round(PROBES_PER_S * seconds)), seconds, last_level_cache_bytes())
    command = [str(program), *map(str, arguments)]
    pin = lambda: os.sched_setaffinity(0, {core})  # noqa: E731
    result = subprocess.run(command, capture_output=True, text=True, preexec_fn=pin, timeout=60 + seconds, check=False)
    if result.returncode != 0:
        raise MachineError(f"the peak probe exited with {result.returncode}: {result.stderr.strip()[:200]}")
    return [float(line) for line in result.stdout.split()]
