"""Check that a machine has enough memory to judge a CPU task, before a judge is started.

harness/harness/checking/room.py makes the same check in the judge; both take their factors from contract.toml.
"""

import math

from kernelsmith.core import contract
from kernelsmith.core.kinds import DeviceKind, Role
from kernelsmith.core.task import Case, Task
from kernelsmith.errors import TaskError


def require_memory(task: Task, *, free_bytes: int) -> None:
    """Check that judging every case of a CPU task fits into the judge's share of the free memory, `free_bytes` bytes.
    Return nothing; check nothing for a GPU task. Raises TaskError, which names the first case that takes more.
    """
    if task.device is not DeviceKind.CPU:
        return
    share = contract.memory().share_of_free
    may_take = int(share * free_bytes)
    for case in task.cases:
        buffers, peak = _bytes(task, case, Role.INPUT) + _bytes(task, case, Role.OUTPUT), peak_bytes(task, case)
        if peak > may_take:
            raise TaskError(
                f"task.toml: case {case.name}: its arrays take {_size(buffers)} and judging them about "
                f"{_size(peak)}, more than {_size(may_take)}, which is {share:.0%} of the free memory of this machine; "
                "make its sizes smaller"
            )


def peak_bytes(task: Task, case: Case) -> int:
    """Return the estimated highest memory use of the judge while it judges one case of a task, in bytes: inputs and
    outputs, each multiplied by a factor of contract.toml.
    """
    factors = contract.memory()
    inputs, outputs = _bytes(task, case, Role.INPUT), _bytes(task, case, Role.OUTPUT)
    return int(factors.per_input_byte * inputs + factors.per_output_byte * outputs)


def _bytes(task: Task, case: Case, role: Role) -> int:
    """Return the bytes that all arrays of one role (inputs or outputs) of a case take together in one call of the
    kernel.
    """
    dtypes = contract.dtypes()
    arrays = (argument for argument in task.arguments if argument.role is role)
    return sum(math.prod(case.sizes[name] for name in array.shape) * dtypes[array.dtype].bytes for array in arrays)


def _size(count: int) -> str:
    return f"{count / (1 << 30):,.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):,.0f} MiB"
