"""A CPU task that does not fit into memory is refused before any of it is taken."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from harness import task as tasks
from harness.checking import benchmark_check, room
from harness.devices import machine
from harness.devices.cpu import PACE, CpuDevice
from harness.errors import TaskFault
from harness.sandbox import launcher as sandbox
from kernelsmith import paths
from kernelsmith.core import room as agents_room
from kernelsmith.core.task_folder import load_task

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"
TASK = tasks.load(SMALL)
MIB = 1 << 20


def test_the_error_names_the_case_its_memory_and_the_limit():
    sizes = {"M": 1024, "N": 2048, "K": 512}
    task = replace(TASK, cases=(*TASK.cases, replace(TASK.cases[0], name="large", sizes=sizes)))
    peak = room.peak_bytes(task, task.cases[-1])
    assert peak == 6 * MIB * room.PER_INPUT + 8 * MIB * room.PER_OUTPUT
    room.check(task, free_bytes=int(peak / room.SHARE) + 1)
    with pytest.raises(TaskFault) as refused:
        room.check(task, free_bytes=100 * MIB)
    assert str(refused.value) == (
        f"task.toml: case large: its arrays take 14 MiB and judging them about {peak >> 20} MiB, "
        "more than 80 MiB, which is 80% of the free memory of this machine; make its sizes smaller"
    )


@pytest.mark.parametrize("name", ["cpu_matmul", "small_matmul"])
def test_the_agent_and_the_judge_estimate_the_same_memory(name):
    folder = SMALL if name == "small_matmul" else paths.tasks_folder() / name
    ours, theirs = load_task(folder), tasks.load(folder)
    for mine, judges in zip(ours.cases, theirs.cases, strict=True):
        assert agents_room.peak_bytes(ours, mine) == room.peak_bytes(theirs, judges)


def test_a_task_of_many_gigabytes_is_refused_before_its_benchmark_is_tried(tmp_path):
    folder = Path(shutil.copytree(SMALL, tmp_path / "mine"))
    text = (folder / "task.toml").read_text()
    (folder / "task.toml").write_text(text.replace("M = 64, N = 64", "M = 400000, N = 400000"))
    with pytest.raises(TaskFault, match=r"case main: its arrays take 596\.2 GiB and judging them about"):
        benchmark_check.load(folder)


def test_free_memory_is_the_machines_or_what_its_container_leaves(tmp_path):
    memory, groups = tmp_path / "meminfo", tmp_path / "cgroup"
    memory.write_text("MemTotal:  9000 kB\nMemAvailable:  4096 kB\n")
    assert room.free_bytes(memory, groups) == 4 * MIB
    groups.mkdir()
    (groups / "memory.max").write_text("max\n")
    (groups / "memory.current").write_text(f"{MIB}\n")
    assert room.free_bytes(memory, groups) == 4 * MIB
    (groups / "memory.max").write_text(f"{3 * MIB}\n")
    assert room.free_bytes(memory, groups) == 2 * MIB


def test_where_memory_is_short_a_case_gets_fewer_sets(tmp_path, monkeypatch):
    workplace = CpuDevice(tmp_path, isolation=sandbox.probe(), cores=machine.split_cores())
    monkeypatch.setattr(room, "free_bytes", lambda: 1 << 40)
    assert workplace.pace(TASK) == PACE
    monkeypatch.setattr(room, "free_bytes", lambda: 512 * MIB)
    assert workplace.pace(TASK) == replace(PACE, max_bytes=64 * MIB)
