"""Detect other work on a CPU while a candidate was timed, by the operating system kernel's time counters.

/proc/stat counts what each core did; schedstat counts how long a thread ran and how long it was ready but had to wait.
Figures that the kernel does not count are taken as undisturbed. Low quantiles and duels tolerate some noise; beyond the
bounds in this file a figure is measured again, or reported as disturbed.
"""

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.contract import TIMING

MAX_WAITED: float = TIMING["disturbance"]["most_waited"]
"""Highest fraction of the candidate's run time that its threads may have waited for their core."""
WAKING_S: float = TIMING["disturbance"]["waking_s"]
"""Seconds of waiting per batch that are not counted, because each batch begins with a wake-up."""
MAX_JUDGE_WAITED: float = TIMING["disturbance"]["most_judge_waited"]
"""Highest fraction of the elapsed time that the judge may have waited for one of its own cores."""
MAX_ON_CORE: float = TIMING["disturbance"]["most_beside"]
"""Highest fraction of the elapsed time that other processes may have run on the candidate's physical core."""
MAX_ON_ALL_CORES: float = TIMING["disturbance"]["most_around"]
"""Highest fraction of the time of all cores of judge and candidates that other processes may have used. They share
memory, caches and clock."""
LEAST_S: float = TIMING["disturbance"]["least_s"]
"""Shortest elapsed time in seconds for which the use of cores is judged, because the kernel counts it in ticks of 10
ms."""
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_BUSY = (0, 1, 2, 5, 6, 7)
"""Columns of a core's line in /proc/stat that count as busy: user, nice, system, irq, softirq, steal."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The operating system kernel's time counters at one moment, in seconds: how long each core was busy, and how long
    the threads of the workers (which run candidates) and of the judge ran and waited for a core. `count` makes it.
    """

    at_s: float
    """Moment of reading, in seconds of the monotonic clock."""
    busy_s: Mapping[int, float]
    """Seconds that each core was busy with any process, by core number."""
    worker_ran_s: float
    """Seconds that the workers' threads ran."""
    worker_waited_s: float
    """Seconds that the workers' threads were ready to run and waited for a core."""
    judge_ran_s: float
    """Seconds that the judge's threads ran."""
    judge_waited_s: float
    """Seconds that the judge's threads were ready to run and waited for a core."""


class CpuMonitor:
    """Finds out whether other processes disturbed batches on a CPU: it reads the operating system kernel's time
    counters when it is made and again in `disturbance`. `cores` are the cores to watch, `workers` the process numbers
    of the workers, `core` the core on which they run.
    """

    def __init__(self, cores: Collection[int], *, workers: Collection[int], core: int) -> None:
        self._cores, self._workers = cores, workers
        self._siblings = _threads_of_core(core)
        self._batches = 0
        self._before = count(cores, workers=workers)

    def look(self, *, batches: int = 1) -> None:
        """Add `batches` to the number of batches that were timed since the monitor was made. No counter is read here,
        because the two readings at start and end cover the whole time.
        """
        self._batches += batches

    def disturbance(self) -> str:
        """Read the time counters again and return what disturbed the batches since the monitor was made, as text for a
        note; an empty string if nothing exceeded its bound or no batch was timed.
        """
        if not self._batches:
            return ""
        now = count(self._cores, workers=self._workers)
        return disturbance(self._before, now, batches=self._batches, siblings=self._siblings)


def count(cores: Collection[int], *, workers: Collection[int]) -> Counts:
    """Read the operating system kernel's time counters once and return them as Counts, in seconds. `cores` are the
    numbers of the cores whose busy time is read, `workers` the process numbers whose running and waiting time is read,
    in addition to that of this process, the judge. Raises OSError if /proc/stat cannot be read; a worker that has ended
    counts 0 seconds.
    """
    workers_times, judge_times = [_thread_times(pid) for pid in workers], _thread_times(os.getpid())
    ran_s, waited_s = (sum(times[column] for times in workers_times) for column in (0, 1))
    return Counts(time.monotonic(), _busy(cores), ran_s, waited_s, judge_times[0], judge_times[1])


def disturbance(before: Counts, now: Counts, *, batches: int, siblings: Collection[int]) -> str:
    """Return what disturbed `batches` batches between the readings `before` and `now` of the time counters, as text for
    a note; an empty string if nothing exceeded its bound (the constants MAX_... of this file). `siblings` are the
    numbers of the logical cores (hardware threads) that share the candidate's physical core.
    """
    elapsed_s = now.at_s - before.at_s
    ran_s, judge_ran_s = now.worker_ran_s - before.worker_ran_s, now.judge_ran_s - before.judge_ran_s
    waited_s = now.worker_waited_s - before.worker_waited_s - batches * WAKING_S
    judge_waited_s = now.judge_waited_s - before.judge_waited_s
    busy_s = {core: now.busy_s[core] - before.busy_s[core] for core in before.busy_s.keys() & now.busy_s.keys()}
    others_on_core_s = sum(busy_s.get(core, 0.0) for core in siblings) - ran_s
    others_on_all_cores_s = sum(busy_s.values()) - ran_s - judge_ran_s
    reasons = []
    if waited_s > MAX_WAITED * ran_s:
        reasons.append(
            f"the candidate's threads waited {waited_s / (waited_s + ran_s):.0%} of their time for their core"
        )
    if judge_waited_s > MAX_JUDGE_WAITED * elapsed_s:
        reasons.append(f"the judge waited {judge_waited_s / elapsed_s:.0%} of the time for a core")
    if elapsed_s > LEAST_S and others_on_core_s > MAX_ON_CORE * elapsed_s:
        reasons.append(
            f"other processes ran on the candidate's core for {others_on_core_s / elapsed_s:.0%} of the time"
        )
    elif elapsed_s > LEAST_S and others_on_all_cores_s > MAX_ON_ALL_CORES * elapsed_s * len(busy_s):
        reasons.append(f"other processes kept {others_on_all_cores_s / elapsed_s:.1f} of {len(busy_s)} cores busy")
    return "; ".join(reasons)


def _threads_of_core(core: int) -> frozenset[int]:
    """Return the numbers of the logical cores (hardware threads) on the same physical core as `core`, itself included;
    only `core` if the operating system does not say.
    """
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return frozenset({core})
    ends = [part.partition("-") for part in text.split(",")]
    return frozenset(n for first, _, last in ends for n in range(int(first), int(last or first) + 1))


def _busy(cores: Collection[int]) -> dict[int, float]:
    """Return a dict from core number to the seconds that the core has been busy with any process since boot, for those
    of `cores` that /proc/stat lists. Raises OSError if that file cannot be read.
    """
    busy_s = {}
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *ticks = line.split()
        if name.startswith("cpu") and name[3:].isdecimal() and int(name[3:]) in cores:
            busy_s[int(name[3:])] = sum(int(ticks[column]) for column in _BUSY) * _TICK_S
    return busy_s


def _thread_times(pid: int) -> tuple[float, float]:
    """Return (seconds that all threads of the process `pid` have run, seconds that they have waited for a core). Both
    are 0.0 if the process has ended or the operating system kernel does not count them.
    """
    ran_ns = waited_ns = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            ran, waited, _ = path.read_text(encoding="ascii").split()
        except (OSError, ValueError):
            continue  # The thread has ended since the folder was listed.
        ran_ns, waited_ns = ran_ns + int(ran), waited_ns + int(waited)
    return ran_ns * 1e-9, waited_ns * 1e-9
