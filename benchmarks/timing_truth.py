"""Checks the judge's timing: its clock against other clocks, its duels between equal kernels, its scores under noise.

    python benchmarks/timing_truth.py [--task hopper_fp8_matmul | cpu_matmul ...] [--only PART ...]
                                      [--kernel FILE] [--batches 20] [--duels 3] [--twins N]

The judge runs in this process; workers run in the sandbox as usual. All parts run unless --only names some:

    clock       Compare the judge's clock with another one. GPU: kernels of known length by the GPU's own timer, after
                several pauses, and the vendor line by CUDA events. CPU: calls that time themselves.
    resolution  Duel a kernel against itself with several delays, --duels times each, and print the smallest delay
                that duels detect.
    twins       Duel a kernel against itself as before a promotion, --twins times (default 60, on a GPU 20). No duel
                should end in a promotion.
    neighbour   Judge a kernel while another program computes. The score must move little, or the verdict must mention
                the disturbance, or there must be no verdict.

The kernel is the last of the task's families unless --kernel names a file. A GPU task needs a GPU, and an interpreter
with cupy and, for Triton, triton.
"""

import argparse
import tempfile
from pathlib import Path

from in_process import ROOT, opened_task
from timing import clocks, duels, neighbours

PARTS = ("clock", "resolution", "twins", "neighbour")


def main() -> None:
    """Run the parts named by --only, or all, and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="hopper_fp8_matmul")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--kernel", type=Path)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--duels", type=int, default=3)
    parser.add_argument("--twins", type=int)
    arguments = parser.parse_args()
    kernel = arguments.kernel or sorted((ROOT / "tasks" / arguments.task / "families").iterdir())[-1]
    with tempfile.TemporaryDirectory() as temporary, opened_task(arguments.task, Path(temporary)) as opened:
        folder, is_cpu = Path(temporary), opened.task.device == "cpu"
        print(f"{arguments.task} on {opened.device.name}: {kernel.name}", flush=True)
        if "clock" in arguments.only and is_cpu:
            clocks.print_within(opened, kernel, batches=arguments.batches, folder=folder)
        elif "clock" in arguments.only:
            clocks.print_known(opened, folder=folder)
            clocks.print_vendor(opened, batches=arguments.batches, folder=folder)
        call_s = duels.call_s(opened, kernel, folder=folder)
        if "resolution" in arguments.only:
            duels.print_resolution(opened, kernel, call_s=call_s, duels=arguments.duels, folder=folder)
        if "twins" in arguments.only:
            duels.print_twins(
                opened, kernel, call_s=call_s, duels=arguments.twins or (60 if is_cpu else 20), folder=folder
            )
        if "neighbour" in arguments.only:
            neighbours.print_noise(opened, kernel, folder=folder)


if __name__ == "__main__":
    main()
