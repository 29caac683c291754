"""Is the judge repeatable? One kernel judged in fresh processes beside the vendor line.

    python benchmarks/repeatability.py [--task cpu_matmul] [--kernel FILE] [--judgings 10] [--one-judge]

Prints the spread of the paired vendor ratio over the judgings (largest / smallest - 1). With --one-judge a single judge
does all of it: the task is opened once. Duels of a kernel against itself are timing_truth.py's.
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
    """The interleaved vendor ratio of each judging, by a judge of its own or by one for all."""
    if not one_judge and judgings > 1:
        one = (vendor_ratios(task, candidate, judgings=1, one_judge=True, folder=folder) for _ in range(judgings))
        return [ratio for ratios in one for ratio in ratios]
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
    """Judge and print a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="cpu_matmul")
    parser.add_argument("--kernel", type=Path, help="default: the last of the task's families, as it stands")
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
