"""Is the judge repeatable? One kernel judged in fresh processes beside the vendor line, and duels against itself.

    python benchmarks/repeatability.py [--task cpu_matmul] [--kernel FILE] [--judgings 10] [--duels 60] [--one-judge]

Prints the spread of the paired vendor ratio over the judgings (largest / smallest - 1), and how many A/A duels would
have promoted something (none should). With --one-judge a single judge does all of it: the task is opened once.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from kernelsmith.bench.harness import HarnessProcess
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.task import Task
from kernelsmith.core.task_folder import find_task
from kernelsmith.core.verdict import Duel


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


def self_duels(task: Task, candidate: Candidate, *, duels: int, folder: Path) -> list[Duel]:
    """Duels of a kernel against itself."""
    twin = Candidate(f"{candidate.source}\n{candidate.language.comment} the same\n", candidate.language)
    fought = []
    with HarnessProcess(task, folder=folder) as harness:
        harness.open()
        for _ in range(duels):
            duel = harness.duel(candidate, twin)
            assert isinstance(duel, Duel)
            fought.append(duel)
            print(f"A/A {duel.speedup:.4f} [{duel.interval.low:.4f}, {duel.interval.high:.4f}]", flush=True)
    return fought


def main() -> None:
    """Run both and print a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="cpu_matmul")
    parser.add_argument("--kernel", type=Path, help="default: the last of the task's families, as it stands")
    parser.add_argument("--judgings", type=int, default=10)
    parser.add_argument("--duels", type=int, default=60)
    parser.add_argument("--one-judge", action="store_true")
    arguments = parser.parse_args()
    task = find_task(arguments.task)
    kernel = arguments.kernel or task.families[-1]
    language = next(language for language in Language if language.suffix == kernel.suffix)
    candidate = Candidate(kernel.read_text(encoding="utf-8"), language)
    with tempfile.TemporaryDirectory() as folder:
        one_judge = arguments.one_judge
        ratios = vendor_ratios(
            task, candidate, judgings=arguments.judgings, one_judge=one_judge, folder=Path(folder) / "judgings"
        )
        fought = self_duels(task, candidate, duels=arguments.duels, folder=Path(folder) / "duels")
    promoted = sum(duel.interval.low > Duel.MARGIN for duel in fought)
    print(f"vendor ratio: median {statistics.median(ratios):.4f}, within {max(ratios) / min(ratios) - 1:.2%}")
    spread = max(abs(duel.speedup - 1) for duel in fought)
    print(f"A/A duels: {promoted} of {len(fought)} would have promoted; medians within {spread:.2%} of 1")


if __name__ == "__main__":
    main()
