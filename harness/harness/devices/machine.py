"""The machine as the judge finds it: its cores, its last-level cache, and the peaks of a CPU core."""

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
"""At least 100 probes of 3 ms in the 2 s that DESIGN asks for."""
PROBES = {"fp32": HERE / "fma.c", "dram": HERE / "stream.c"}
"""The program that measures the peak of each unit of a CPU."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core is the candidates' and which are the judge's; one and the same where there is only one."""

    worker: int
    judge: tuple[int, ...]

    @property
    def shared(self) -> bool:
        """True if the judge and the worker share the only core."""
        return self.judge == (self.worker,)


def split_cores() -> Cores:
    """The last core this process may use is the candidates', the rest is ours."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[-1], tuple(allowed[:-1]) or (allowed[-1],))


@contextmanager
def take_place(cores: Cores) -> Iterator[None]:
    """Keep the judge, and every build it starts, off the candidates' core within this block."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores.judge)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def at_low_priority(work: Callable[[], T], *, nice: int) -> T:
    """Return what work returns, done at a lower priority with all programs that it starts; raise what it raises.

    Priority belongs to a thread on Linux, and only root may raise it again (setpriority(2)), so a thread of its own
    does the work.
    """
    with ThreadPoolExecutor(1, initializer=_lower_priority, initargs=(nice,)) as pool:
        return pool.submit(work).result()


def _lower_priority(nice: int) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, max(nice, os.getpriority(os.PRIO_PROCESS, 0)))


def last_level_cache_bytes() -> int:
    """The size of the largest cache of core 0; 32 MiB where the kernel does not tell."""
    sizes = [
        int(path.read_text().strip().removesuffix("K")) << 10
        for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")
    ]
    return max(sizes, default=32 << 20)


def measure_peak(unit: str, cache: Path, *, core: int, seconds: float) -> list[float]:
    """Return what each probe of a unit's peak measured on one core: FLOP/s, or bytes a second for `dram`.

    `cache` is the folder of built programs.

    Raises:
        MachineError: the probe cannot be built or run.
    """
    program = trusted.program(PROBES[unit], cache)
    figures = (max(10, round(PROBES_PER_S * seconds)), seconds, last_level_cache_bytes())
    command = [str(program), *map(str, figures)]
    pin = lambda: os.sched_setaffinity(0, {core})  # noqa: E731
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=pin, timeout=60 + seconds, check=False)
    if done.returncode != 0:
        raise MachineError(f"the peak probe exited with {done.returncode}: {done.stderr.strip()[:200]}")
    return [float(line) for line in done.stdout.split()]
