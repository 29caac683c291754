"""Measures how repeatable a judgement is: one kernel is judged several times, interleaved with the vendor line.

    python benchmarks/repeatability.py [--task cpu_matmul] [--kernel FILE] [--judgings 10] [--one-judge]

Prints the spread of the vendor ratio over the judgements (largest / smallest - 1). Each judgement has a new judge
process; with --one-judge the same judge makes all of them. timing_truth.py has duels of a kernel against itself.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.task import Task
from kernelsmith.core.task_folder import find_task
from kernelsmith.judge_client import gpu
from kernelsmith.judge_client.harness import HarnessProcess


def vendor_ratios(task: Task, candidate: Candidate, *, judgings: int, one_judge: bool, folder: Path) -> list[float]:
    """Return the interleaved vendor ratio of each judgement, all by one judge process or each by a new one."""
    if not one_judge and judgings > 1:
        each = (vendor_ratios(task, candidate, judgings=1, one_judge=True, folder=folder) for _ in range(judgings))
        return [ratio for ratios in each for ratio in ratios]
    ratios = []
    with HarnessProcess(task, folder=folder) as harness:
        harness.open()
        for _ in range(judgings):
            measurement = harness.submit(candidate, None).result().measurement
            assert measurement is not None
            assert measurement.vendor_ratio is not None
            ratios.append(measurement.vendor_ratio)
            print(f"{measurement.utilization:.2%} of peak, {ratios[-1]:.4f} of the vendor line", flush=True)
    return ratios


def main() -> None:
    """Judge the kernel several times and print the median and spread of its vendor ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="cpu_matmul")
    parser.add_argument("--kernel", type=Path, help="default: the task's last family with the knob values in its file")
    parser.add_argument("--judgings", type=int, default=10)
    parser.add_argument("--one-judge", action="store_true")
    arguments = parser.parse_args()
    task = find_task(arguments.task)
    if task.device == "cuda" and (lack := gpu.missing()):
        parser.exit(2, f"{task.name} needs an NVIDIA GPU: {lack}\n")
    kernel = arguments.kernel or task.families[-1]
    language = next(language for language in Language if language.suffix == kernel.suffix)
    candidate = Candidate(kernel.read_text(encoding="utf-8"), language)
    with tempfile.TemporaryDirectory() as folder:
        ratios = vendor_ratios(
            task, candidate, judgings=arguments.judgings, one_judge=arguments.one_judge, folder=Path(folder)
        )
    print(f"vendor ratio: median {statistics.median(ratios):.4f}, within {max(ratios) / min(ratios) - 1:.2%}")


if __name__ == "__main__":
    main()
