"""Check that a machine has enough memory to judge a CPU task, before a judge is started.

harness/harness/checking/room.py makes the same check in the judge; both take their factors from contract.toml.
"""

import math

from kernelsmith.core import contract
from kernelsmith.core.kinds import DeviceKind, Role
from kernelsmith.core.task import Case, Task
from kernelsmith.errors import TaskError


def require_memory(task: Task, *, free_bytes: int) -> None:
    """Check that the judge can judge every case of a CPU task within its permitted share of the free memory of the
    machine (`free_bytes` bytes are free). Return nothing; check nothing for a GPU task. Raises TaskError, which names
    the first case that needs more.
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
    """Return an estimate of the most memory in bytes that the judge uses at one time while it judges `case` of `task`:
    the bytes of the kernel's inputs and outputs, each multiplied by a factor from contract.toml.
    """
    factors = contract.memory()
    inputs, outputs = _bytes(task, case, Role.INPUT), _bytes(task, case, Role.OUTPUT)
    return int(factors.per_input_byte * inputs + factors.per_output_byte * outputs)


def _bytes(task: Task, case: Case, role: Role) -> int:
    """Return how many bytes all arrays of one `role` (all inputs or all outputs) take together in one call of the
    kernel with the sizes of `case`.
    """
    dtypes = contract.dtypes()
    arrays = (argument for argument in task.arguments if argument.role is role)
    return sum(math.prod(case.sizes[name] for name in array.shape) * dtypes[array.dtype].bytes for array in arrays)


def _size(count: int) -> str:
    return f"{count / (1 << 30):,.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):,.0f} MiB"
