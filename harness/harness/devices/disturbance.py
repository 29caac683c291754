"""Whether a CPU was quiet while a candidate was timed: who else ran on our cores, and how long we waited for them.

The kernel counts both: /proc/stat what every core did, schedstat how long a thread ran and how long it was ready to run
and did not. What it does not tell counts as quiet. Low quantiles and duels bear a little noise; beyond the bounds here
a score is taken once more, or told as disturbed.
"""

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.contract import TIMING

MAX_WAITED: float = TIMING["disturbance"]["most_waited"]
"""Of the time that the candidate ran: so much it may have waited for its core."""
WAKING_S: float = TIMING["disturbance"]["waking_s"]
"""A batch begins with a wake-up, which is no waiting for others."""
MAX_JUDGE_WAITED: float = TIMING["disturbance"]["most_judge_waited"]
"""Of all the time: so much the judge may have waited for one of its own cores."""
MAX_BESIDE: float = TIMING["disturbance"]["most_beside"]
"""Of all the time: so much others may have run on the candidate's core, or on another thread of it."""
MAX_AROUND: float = TIMING["disturbance"]["most_around"]
"""Of all our cores: so much may have been busy with others, who take memory, caches and clock."""
LEAST_S: float = TIMING["disturbance"]["least_s"]
"""Cores are counted in ticks of 10 ms: over less time their counts say nothing."""
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_BUSY = (0, 1, 2, 5, 6, 7)
"""Of a core's line in /proc/stat: user, nice, system, irq, softirq, steal."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the kernel has counted until a moment, in seconds; of all workers together."""

    at_s: float
    busy_s: Mapping[int, float]
    """By core, whoever ran there."""
    worker_ran_s: float
    worker_waited_s: float
    judge_ran_s: float
    judge_waited_s: float


class CpuMonitor:
    """Counts from now on, over batches of some workers that use one core in turn; see devices.Monitor."""

    def __init__(self, cores: Collection[int], *, workers: Collection[int], core: int) -> None:
        self._cores, self._workers = cores, workers
        self._beside = _threads_of_core(core)
        self._batches = 0
        self._before = count(cores, workers=workers)

    def look(self, *, batches: int = 1) -> None:
        """So many more are over."""
        self._batches += batches

    def disturbance(self) -> str:
        """By what the kernel has counted meanwhile."""
        if not self._batches:
            return ""
        now = count(self._cores, workers=self._workers)
        return disturbance(self._before, now, batches=self._batches, beside=self._beside)


def count(cores: Collection[int], *, workers: Collection[int]) -> Counts:
    """Return the counts of this moment; `workers` are process numbers."""
    scheduled, judge = [_scheduled(pid) for pid in workers], _scheduled(os.getpid())
    ran_s, waited_s = (sum(times[column] for times in scheduled) for column in (0, 1))
    return Counts(time.monotonic(), _busy(cores), ran_s, waited_s, judge[0], judge[1])


def disturbance(before: Counts, now: Counts, *, batches: int, beside: Collection[int]) -> str:
    """What disturbed so many batches, in words; empty where nothing did.

    `beside` are the logical cores that are one with the candidate's.
    """
    elapsed_s = now.at_s - before.at_s
    ran_s, judge_ran_s = now.worker_ran_s - before.worker_ran_s, now.judge_ran_s - before.judge_ran_s
    waited_s = now.worker_waited_s - before.worker_waited_s - batches * WAKING_S
    judge_waited_s = now.judge_waited_s - before.judge_waited_s
    busy_s = {core: now.busy_s[core] - before.busy_s[core] for core in before.busy_s.keys() & now.busy_s.keys()}
    near_s = sum(busy_s.get(core, 0.0) for core in beside) - ran_s
    around_s = sum(busy_s.values()) - ran_s - judge_ran_s
    told = []
    if waited_s > MAX_WAITED * ran_s:
        told.append(f"its threads waited {waited_s / (waited_s + ran_s):.0%} of their time for its core")
    if judge_waited_s > MAX_JUDGE_WAITED * elapsed_s:
        told.append(f"the judge waited {judge_waited_s / elapsed_s:.0%} of the time for a core")
    if elapsed_s > LEAST_S and near_s > MAX_BESIDE * elapsed_s:
        told.append(f"something else ran on its core for {near_s / elapsed_s:.0%} of the time")
    elif elapsed_s > LEAST_S and around_s > MAX_AROUND * elapsed_s * len(busy_s):
        told.append(f"something else kept {around_s / elapsed_s:.1f} of {len(busy_s)} cores busy")
    return "; ".join(told)


def _threads_of_core(core: int) -> frozenset[int]:
    """The logical cores that are one physical core with this one."""
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return frozenset({core})
    ends = [part.partition("-") for part in text.split(",")]
    return frozenset(n for first, _, last in ends for n in range(int(first), int(last or first) + 1))


def _busy(cores: Collection[int]) -> dict[int, float]:
    found = {}
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *ticks = line.split()
        if name.startswith("cpu") and name[3:].isdecimal() and int(name[3:]) in cores:
            found[int(name[3:])] = sum(int(ticks[column]) for column in _BUSY) * _TICK_S
    return found


def _scheduled(pid: int) -> tuple[float, float]:
    """Seconds that a process's threads have run, and have waited for a core; zeros where the kernel does not count."""
    ran_ns = waited_ns = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            ran, waited, _ = path.read_text(encoding="ascii").split()
        except (OSError, ValueError):
            continue  # the thread has just ended
        ran_ns, waited_ns = ran_ns + int(ran), waited_ns + int(waited)
    return ran_ns * 1e-9, waited_ns * 1e-9
