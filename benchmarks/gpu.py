"""Measures whole searches on a Hopper GPU: `kernelsmith run` of each GPU task, with the tuner as proposer.

    python benchmarks/gpu.py [--keep FOLDER] [--harness-python PATH] [TASK:ATTEMPTS[:SECONDS] ...]

Prints one line per task:
  - the first passing attempt and the best, as fractions of the dense peak, and the best's interleaved vendor ratio;
  - median seconds of a passed attempt in build, correctness, timing and audit; the same without builds made ahead;
  - the part of an attempt that its guards take, over all stages: median, largest, and over all attempts together;
  - attempts per hour, without the time of opening the task.
A search that takes longer than SECONDS is interrupted after the attempt in flight. With --keep, the attempt log stays
in FOLDER.
"""

import argparse
import json
import math
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from kernelsmith.judge_client import gpu as card

CLI = [sys.executable, "-m", "kernelsmith.cli"]
TASKS = ("hopper_fp8_matmul:80", "hopper_bf16_matmul:60", "hopper_rmsnorm:30")
JUDGING = ("build", "correctness", "timing", "audit")
"""The stages whose seconds count as those of an attempt; the duel and what follows a promotion do not."""
READY_S = 0.3
"""An attempt whose build stage takes no longer than this was built ahead."""
PUBLISHED = 0.713
"""Best utilization of the published run (fp8 matmul), as a fraction of peak."""


def run(task: str, attempts: str, seconds: float | None, *, folder: Path, options: list[str]) -> float:
    """Run one search and return its wall seconds; after `seconds` it is interrupted (None = never)."""
    command = [*CLI, "run", task, "--proposer", "tuner", "--name", task, "--attempts", attempts, *options]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait()
    return time.perf_counter() - start


def attempts_of(task: str, *, folder: Path) -> list[dict[str, Any]]:
    """Return the attempts of a task's run in the log below `folder`, as `show --json` prints them."""
    shown = subprocess.run([*CLI, "show", task, "--json"], cwd=folder, capture_output=True, text=True, check=True)
    attempts: list[dict[str, Any]] = json.loads(shown.stdout)["attempts"]
    return attempts


def line(task: str, attempts: list[dict[str, Any]], *, wall_s: float) -> str:
    """Return the line of one task, as the module's docstring describes it."""
    passed = [attempt for attempt in attempts if attempt["status"] == "passed"]
    if not passed:
        return f"{task}: {len(attempts)} attempts in {wall_s:.0f} s, none passed"
    promoted = [attempt for attempt in passed if attempt["promotion"]]
    best = promoted[-1]
    unready = [attempt for attempt in passed if attempt["durations_s"]["build"] > READY_S]
    rate = 3600 * len(attempts) / sum(attempt["seconds"] for attempt in attempts)
    guards_s = [sum(attempt["guards_s"].values()) for attempt in passed]
    whole_s = [sum(attempt["durations_s"].values()) for attempt in passed]
    shares = [guards / whole for guards, whole in zip(guards_s, whole_s, strict=True)]
    reached = next((a["number"] for a in promoted if a["utilization"] >= PUBLISHED), None)
    vendor = f", {best['vendor_ratio']:.4f} of the vendor's speed" if best["vendor_ratio"] else ""
    return (
        f"{task}: {len(attempts)} attempts in {wall_s:.0f} s; first {passed[0]['utilization']:.2%}, best "
        f"{best['utilization']:.2%} at attempt {best['number']}{vendor}; {PUBLISHED:.1%} at attempt {reached}; "
        f"median {median_s(passed):.2f} s build to verdict ({median_s(unready):.2f} s of {len(unready)} not built "
        f"ahead), {statistics.median(shares):.1%} of an attempt guards (most {max(shares):.1%}, of all together "
        f"{sum(guards_s) / sum(whole_s):.1%}); {rate:.0f} attempts an hour"
    )


def median_s(attempts: list[dict[str, Any]]) -> float:
    """Return the median seconds of attempts in the stages of `JUDGING`; NaN if there are no attempts."""
    seconds = [sum(attempt["durations_s"].get(stage, 0.0) for stage in JUDGING) for attempt in attempts]
    return float(statistics.median(seconds or [math.nan]))


def main() -> None:
    """Search the tasks named on the command line, or all of `TASKS`, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=TASKS)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--harness-python")
    arguments = parser.parse_args()
    if lack := card.missing():
        parser.exit(2, f"these figures need an NVIDIA GPU: {lack}\n")
    options = [f"--harness-python={arguments.harness_python}"] if arguments.harness_python else []
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for argument in arguments.tasks:
            task, attempts, *seconds = argument.split(":")
            wall_s = run(task, attempts, float(seconds[0]) if seconds else None, folder=folder, options=options)
            print(line(task, attempts_of(task, folder=folder), wall_s=wall_s), flush=True)


if __name__ == "__main__":
    main()
