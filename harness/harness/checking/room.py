"""Check that this machine, or its container, has enough memory to judge a CPU task.

kernelsmith/core/room.py makes the same check in the agent; both take their factors from contract.toml.
"""

from pathlib import Path

from harness.contract import MEMORY
from harness.errors import TaskFault
from harness.task import Case, Task

PER_INPUT: float = MEMORY["per_input_byte"]
PER_OUTPUT: float = MEMORY["per_output_byte"]
SHARE: float = MEMORY["share_of_free"]
GROUPS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))
"""Files with the memory limit and the memory use of a container, for control groups of version 2 and version 1."""


def check(task: Task, *, free_bytes: int) -> None:
    """Check that judging every case of a task fits into the judge's share of the free memory; `free_bytes` is the free
    memory of the machine or container in bytes. Return nothing. Raises TaskFault, which names the first case that takes
    more.
    """
    may_take = int(SHARE * free_bytes)
    for case in task.cases:
        buffers, peak = buffer_bytes(task, case), peak_bytes(task, case)
        if peak > may_take:
            raise TaskFault(
                f"task.toml: case {case.name}: its arrays take {_size(buffers)} and judging them about "
                f"{_size(peak)}, more than {_size(may_take)}, which is {SHARE:.0%} of the free memory of this machine; "
                "make its sizes smaller"
            )


def buffer_bytes(task: Task, case: Case) -> int:
    """Return the bytes that all input and output arrays of a case take together in one call of the kernel."""
    return sum(buffer.bytes_in(case.sizes) for buffer in task.buffers)


def peak_bytes(task: Task, case: Case) -> int:
    """Return the estimated highest memory use of the judge while it judges one case, in bytes: inputs and outputs, each
    multiplied by a factor of contract.toml.
    """
    outputs = sum(buffer.bytes_in(case.sizes) for buffer in task.buffers if buffer.is_output)
    return int(PER_INPUT * (buffer_bytes(task, case) - outputs) + PER_OUTPUT * outputs)


def free_bytes(memory: Path = Path("/proc/meminfo"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the bytes of memory that programs can use without swapping: on the whole machine, or what a container's
    limit leaves if that is less. `memory` is the path of the operating system's memory report, `groups` the folder of
    control groups. Raises OSError without a report.
    """
    lines = memory.read_text(encoding="ascii").splitlines()
    free = [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")]
    free += [left for limit, used in GROUPS if (left := _left(groups / limit, groups / used)) is not None]
    return min(free)


def _left(limit: Path, used: Path) -> int | None:
    """Return the bytes that a container may still use: the number in the file `limit` (its memory limit) minus that in
    the file `used` (its memory in use), at least 0. Return None if a file is missing or states no limit.

    Cached file content counts as used, although the operating system could free it.
    """
    try:
        return max(int(limit.read_text(encoding="ascii")) - int(used.read_text(encoding="ascii")), 0)
    except (OSError, ValueError):  # the file is missing, or holds the word `max`
        return None


def _size(count: int) -> str:
    return f"{count / (1 << 30):,.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):,.0f} MiB"
