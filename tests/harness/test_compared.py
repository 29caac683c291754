"""Where sums may be coarse unseen by a product check, one output of a batch is compared element by element."""

from pathlib import Path

import numpy as np
import pytest

import task as tasks
from clock import Reading, Run, Stand

TASKS = Path(__file__).resolve().parents[1] / "tasks"
SETS = range(3, 11)


class Recording:
    """An arena and its region, in which everything is right; it notes what was examined."""

    def __init__(self) -> None:
        self.examined: list[tuple[range, bool]] = []

    def examine(self, task, case, *, sets, full, **_) -> None:
        self.examined.append((sets, full))

    def tampered(self, *, sets) -> str:
        return ""

    def late_samples(self) -> tuple[int, int]:
        return 0, 1

    def overrun(self, word) -> int:
        return 0


def examined(name: str, *, compared: float, full: bool = False) -> list[tuple[range, bool]]:
    task, arena = tasks.load(TASKS / name), Recording()
    stand = Stand(task, task.timed[0], arena, None, None, 0, {})  # type: ignore[arg-type]
    run = Run(Reading(1.0, len(SETS), "0" * 32), stand, SETS, arena, 0)  # type: ignore[arg-type]
    run.verify(np.random.default_rng(0), full=full, compared=compared)
    return arena.examined


def test_one_output_is_compared_where_the_task_limits_what_is_not_correctly_rounded():
    (first, whole), (second, one) = examined("small_gpu_matmul", compared=1.0)
    assert (first, whole, one) == (SETS, False, True)
    assert len(second) == 1
    assert second.start in SETS


@pytest.mark.parametrize(
    ("name", "compared", "full"),
    [("small_gpu_matmul", 0.0, False), ("small_gpu_matmul", 1.0, True), ("small_matmul", 1.0, False)],
)
def test_nothing_is_compared_twice_or_in_vain(name, compared, full):
    assert examined(name, compared=compared, full=full) == [(SETS, full)]
