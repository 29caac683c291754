"""The check that a machine has enough memory to judge a CPU task.

harness/harness/checking/room.py knows the same for the judge; the factors stand in contract.toml.
"""

import math

from kernelsmith.core import contract
from kernelsmith.core.kinds import DeviceKind, Role
from kernelsmith.core.task import Case, Task
from kernelsmith.errors import TaskError


def require_memory(task: Task, *, free_bytes: int) -> None:
    """Refuse a CPU task of which one case takes more memory than the judge may take.

    Raises:
        TaskError: the line names the case, what its buffers and judging them take, and what may be taken.
    """
    if task.device is not DeviceKind.CPU:
        return
    share = contract.memory().share_of_free
    may_take = int(share * free_bytes)
    for case in task.cases:
        buffers, peak = _bytes(task, case, Role.INPUT) + _bytes(task, case, Role.OUTPUT), peak_bytes(task, case)
        if peak > may_take:
            raise TaskError(
                f"task.toml: case {case.name}: its buffers take {_size(buffers)} and judging them about "
                f"{_size(peak)}; {_size(may_take)} may be taken here, {share:.0%} of the free memory: "
                "make its sizes smaller"
            )


def peak_bytes(task: Task, case: Case) -> int:
    """Return about how much memory the judge takes of a case at most, bytes."""
    factors = contract.memory()
    inputs, outputs = _bytes(task, case, Role.INPUT), _bytes(task, case, Role.OUTPUT)
    return int(factors.per_input_byte * inputs + factors.per_output_byte * outputs)


def _bytes(task: Task, case: Case, role: Role) -> int:
    """Return the bytes of one set of a case's buffers of one role."""
    dtypes = contract.dtypes()
    buffers = (argument for argument in task.arguments if argument.role is role)
    return sum(math.prod(case.sizes[name] for name in one.shape) * dtypes[one.dtype].bytes for one in buffers)


def _size(count: int) -> str:
    return f"{count / (1 << 30):,.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):,.0f} MiB"
