"""The product check of several calls on the card, at sizes that do not fit the way rows are read.

    PYTHONPATH=.:benchmarks:harness python tests/gpu/products.py

A process of its own: one that has computed on the GPU keeps judges off it. Prints a line a size; the status is 1 where
an honest product is accused, or a spoilt one is not.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from in_process import opened_task

HERE = Path(__file__).resolve().parent
SIZES = [(1, 7, 33), (33, 257, 71), (128, 129, 8), (130, 264, 96), (257, 520, 1104), (300, 1201, 40)]
"""m, n, k; rows of bf16 are read by eights where they are aligned to 16 bytes, columns where k is a multiple of 8."""
CALLS, SPOILT = 3, 1


def write(place: int, values) -> None:
    """As bf16, rounded to the nearest."""
    import cupy

    bits = cupy.ascontiguousarray(values, dtype="float32").view("uint32")
    words = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("uint16")
    cupy.cuda.runtime.memcpy(place, words.data.ptr, words.nbytes, cupy.cuda.runtime.memcpyDeviceToDevice)


def verdicts(opened, sizes: tuple[int, int, int]) -> list[bool]:
    """Of each call, whether the check accuses it; the spoilt one has a row of zeros."""
    import numpy as np

    from harness.checking import inputs, verify

    task, case = opened.task, replace(opened.main, sizes=dict(zip("MNK", sizes, strict=True)))
    operands = opened.memory.operands(task, case, sets=CALLS)
    operands.fill(range(CALLS), inputs.fresh_key())
    stored = operands.stored(slot=0)
    for index in range(CALLS):
        given, made = stored.operands(index)
        product = given["A"] @ given["B"].T
        product[-1] *= index != SPOILT
        write(int(made["C"]), product)
    found = stored.residuals(range(CALLS), rng=np.random.default_rng())
    return [verify.judge_residuals("C", one, tolerance=task.tolerance(case)) is not None for one in found]


def main() -> int:
    """All sizes."""
    wanted, is_right = [index == SPOILT for index in range(CALLS)], True
    with tempfile.TemporaryDirectory() as folder, opened_task(str(HERE / "faults"), Path(folder)) as opened:
        for sizes in SIZES:
            found = verdicts(opened, sizes)
            is_right &= found == wanted
            print(f"{sizes}: {'as it should be' if found == wanted else f'accused {found}'}", flush=True)
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
