"""The check that this machine has enough memory to judge a CPU task.

kernelsmith/core/room.py knows the same for the agent; the factors stand in contract.toml.
"""

from pathlib import Path

from harness.contract import MEMORY
from harness.errors import TaskFault
from harness.task import Case, Task

PER_INPUT: float = MEMORY["per_input_byte"]
PER_OUTPUT: float = MEMORY["per_output_byte"]
SHARE: float = MEMORY["share_of_free"]
GROUPS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))
"""Files of a container's limit and of what it takes, of both versions of control groups."""


def check(task: Task, *, free_bytes: int) -> None:
    """Refuse a task of which one case takes more memory than the judge may take.

    Raises:
        TaskFault: the line names the case, what its buffers and judging them take, and what may be taken.
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
    """Return the bytes of one set of a case's inputs and outputs."""
    return sum(buffer.bytes_in(case.sizes) for buffer in task.buffers)


def peak_bytes(task: Task, case: Case) -> int:
    """Return about how much memory the judge takes of a case at most, bytes."""
    outputs = sum(buffer.bytes_in(case.sizes) for buffer in task.buffers if buffer.is_output)
    return int(PER_INPUT * (buffer_bytes(task, case) - outputs) + PER_OUTPUT * outputs)


def free_bytes(memory: Path = Path("/proc/meminfo"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the memory that can be taken without swapping, bytes: of the machine, or less in a limited container."""
    lines = memory.read_text(encoding="ascii").splitlines()
    free = [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")]
    free += [left for limit, used in GROUPS if (left := _left(groups / limit, groups / used)) is not None]
    return min(free)


def _left(limit: Path, used: Path) -> int | None:
    """Return the bytes left below a container's limit; None where there is no limit. Files that it read count as taken,
    although the kernel may give them up."""
    try:
        return max(int(limit.read_text(encoding="ascii")) - int(used.read_text(encoding="ascii")), 0)
    except (OSError, ValueError):  # `max`
        return None


def _size(count: int) -> str:
    return f"{count / (1 << 30):,.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):,.0f} MiB"
