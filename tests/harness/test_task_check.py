"""The command `check` of the harness: the fault of a task folder, without a judge."""

import shutil
from pathlib import Path

from harness.program import check

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"


def mine(tmp_path: Path, *, extra: str) -> Path:
    folder = Path(shutil.copytree(SMALL, tmp_path / "mine"))
    with (folder / "benchmark.py").open("a") as file:
        file.write(extra)
    return folder


def test_a_whole_task_has_no_fault_and_its_prints_stay_off_stdout(tmp_path, capfd):
    assert check.task_fault(mine(tmp_path, extra="print('loud')\n")) == ""
    assert capfd.readouterr() == ("", "loud\n")


def test_wrong_inputs_are_a_fault_with_the_line_of_the_function(tmp_path):
    wrong = "\n\ndef inputs(case, rng, xp):\n    return {'A': 1}\n"
    assert "inputs returns A of shape [] in case odd" in check.task_fault(mine(tmp_path, extra=wrong))
    missing = "\n\ndef inputs(case, rng, xp):\n    return {'A': case['Q']}\n"
    shutil.rmtree(tmp_path / "mine")
    assert ": KeyError: 'Q' in case odd; inputs(case, rng, xp) must" in check.task_fault(mine(tmp_path, extra=missing))


def test_values_that_are_no_numbers_are_faults(tmp_path):
    assert "flops returns None" in check.task_fault(mine(tmp_path, extra="\n\ndef flops(case):\n    pass\n"))
    shutil.rmtree(tmp_path / "mine")
    assert "tolerance returns 0.5" in check.task_fault(
        mine(tmp_path, extra="\n\ndef tolerance(case):\n    return 0.5\n")
    )
