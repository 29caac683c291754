"""Measures a whole search on a CPU: `kernelsmith run cpu_matmul` in an empty folder, with the tuner as proposer.

    python benchmarks/main_job.py [--attempts 60] [--seed 0]

Prints the first passing attempt and the best as fractions of the measured peak, the interleaved vendor ratio, the
median seconds of an attempt from build to verdict, the seconds outside build and judge, and the memory of judge and
worker together.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

CLI = [sys.executable, "-m", "kernelsmith.cli"]


class Memory:
    """Samples the memory of a process's children twice a second; `peak_bytes` is the largest sum seen.

    The memory of a child is its proportional set size (PSS), in which shared pages count only in part.
    """

    def __init__(self, pid: int) -> None:
        self._agent = psutil.Process(pid)
        self.peak_bytes = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while self._agent.is_running() and self._agent.status() != psutil.STATUS_ZOMBIE:
            self.peak_bytes = max(self.peak_bytes, self._sum_bytes())
            time.sleep(0.5)

    def _sum_bytes(self) -> int:
        total = 0
        for child in _children(self._agent):
            try:
                total += child.memory_full_info().pss
            except psutil.Error:
                continue  # the child ended between listing and reading
        return total


def _children(agent: psutil.Process) -> list[psutil.Process]:
    try:
        children: list[psutil.Process] = agent.children(recursive=True)
    except psutil.Error:
        return []
    return children


def run(folder: Path, *, attempts: int, seed: int) -> tuple[float, int]:
    """Run the search; return the wall seconds of the command and the peak PSS of judge and worker in bytes."""
    command = [*CLI, "run", "cpu_matmul", "--proposer", "tuner", "--name", "bench"]
    command += ["--attempts", str(attempts), "--seed", str(seed)]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    memory = Memory(process.pid)
    if process.wait() != 0:
        raise SystemExit("the run failed")
    return time.perf_counter() - start, memory.peak_bytes


def figures(shown: dict[str, object], *, wall_s: float, peak_bytes: int) -> list[tuple[str, str]]:
    """Return the rows of the table: name and value. `shown` is the output of `kernelsmith show --json`."""
    attempts = shown["attempts"]
    assert isinstance(attempts, list)
    passed = [a for a in attempts if a["status"] == "passed"]
    best = [a for a in attempts if a["promotion"]][-1]
    judged = [sum(a["durations_s"].values()) for a in attempts if a["durations_s"]]
    loop = [a["seconds"] - sum(a["durations_s"].values()) for a in attempts if a["durations_s"]]
    return [
        ("attempt 0", attempts[0]["status"]),
        ("first passing", f"attempt {passed[0]['number']}: {passed[0]['utilization']:.2%} of peak"),
        ("best", f"attempt {best['number']}: {best['utilization']:.1%} of peak"),
        ("best against the vendor line", f"{best['vendor_ratio']:.3f} (interleaved: {best['vendor_paired']})"),
        ("attempts, passed", f"{len(attempts)}, {len(passed)}"),
        ("promotions", str(sum(1 for a in attempts if a["promotion"]))),
        ("build to verdict, median (slowest)", f"{statistics.median(judged):.2f} s ({max(judged):.2f} s)"),
        ("part of it in guards, median (largest)", guards_share(attempts)),
        ("outside build and judge, median", f"{statistics.median(loop) * 1e3:.1f} ms"),
        ("whole command", f"{wall_s:.0f} s"),
        ("judge and worker, PSS", f"{peak_bytes / 2**20:.0f} MiB"),
    ]


def guards_share(attempts: list[dict[str, Any]]) -> str:
    """Return in words which part of the time from build to verdict the guards take: median and largest."""
    shares = [sum(a["guards_s"].values()) / sum(a["durations_s"].values()) for a in attempts if a["guards_s"]]
    return f"{statistics.median(shares):.1%} ({max(shares):.1%})"


def main() -> None:
    """Run the search once and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wall_s, peak_bytes = run(Path(folder), attempts=arguments.attempts, seed=arguments.seed)
        show = subprocess.run([*CLI, "show", "bench", "--json"], cwd=folder, capture_output=True, text=True, check=True)
    for name, value in figures(json.loads(show.stdout), wall_s=wall_s, peak_bytes=peak_bytes):
        print(f"{name:40s} {value}")


if __name__ == "__main__":
    main()
