"""Check, before a judge is started, that this machine can judge a task: device, interpreter, packages and memory."""

from pathlib import Path

from kernelsmith.app import interpreter
from kernelsmith.core import room
from kernelsmith.core.candidate import Language
from kernelsmith.core.kinds import SCRIPTED_DEVICE, DeviceKind
from kernelsmith.core.run import Device
from kernelsmith.core.seams import Harness
from kernelsmith.core.task import Task
from kernelsmith.errors import MachineRefusal, UsageError
from kernelsmith.judge_client import gpu
from kernelsmith.judge_client.task_check import require_working_benchmark


def require_machine(task: Task, *, harness_python: str | None, device: str | None = None) -> None:
    """Check that this machine has the device and the Python packages that a task needs; return nothing.
    `harness_python` is the path of the harness's interpreter (None: the agent's own), `device` is `scripted:FILE` or
    None for the task's own device. Raises UsageError if something is missing.

    For a scripted device, whose times come from a file, only the file and numpy are needed.
    """
    if device is not None:
        return require_script(device, harness_python=harness_python)
    if task.device is DeviceKind.CUDA and (missing := gpu.missing()):
        raise UsageError(f"{task.name} needs an NVIDIA GPU: {missing}; `kernelsmith run cpu_matmul` needs none")
    _require_packages(needed_by(task), harness_python=harness_python)
    return None


def require_script(device: str, *, harness_python: str | None) -> None:
    """Check that `device` has the form `scripted:FILE`, that the file exists, and that the harness's interpreter has
    numpy; return nothing. `harness_python` is the interpreter's path, or None for the agent's own. Raises UsageError
    otherwise.
    """
    place = device.removeprefix(SCRIPTED_DEVICE)
    if place in ("", device):
        raise UsageError(f"--device {device}: must be scripted:FILE")
    if not Path(place).is_file():
        raise UsageError(f"--device {device}: no such file")
    _require_packages(("numpy",), harness_python=harness_python)


def _require_packages(packages: tuple[str, ...], *, harness_python: str | None) -> None:
    """Check that the harness's interpreter runs and has these Python packages; return nothing. `harness_python` is its
    path, or None for the agent's own. Raises UsageError with what is missing and the remedy.
    """
    if lack := interpreter.missing(harness_python, packages):
        raise UsageError(lack.line)


def require_memory(task: Task) -> None:
    """Check that the free memory of this machine is enough to judge every case of a CPU task; return nothing, and check
    nothing for a GPU task. Raises TaskError, which names the first case that takes more.

    The judge repeats the check with the memory limit of its container.
    """
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    free_kib = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    room.require_memory(task, free_bytes=free_kib << 10)


def check_task(task: Task, *, harness_python: str | None) -> str:
    """Check that a judge would accept a task: compute its memory, and call the functions of its benchmark.py. Return an
    empty string, or the reason why benchmark.py was not executed. Raises TaskError if a file of the task is at fault or
    a case takes too much memory, HarnessError if the check failed.

    `harness_python` is the path of the interpreter that executes benchmark.py, which needs numpy; None means the
    agent's own. The copy of a task that a run's log keeps is never executed, because its code may come from another
    machine.
    """
    require_memory(task)
    if _is_copy_of_a_log(task):
        return "benchmark.py was not checked: this folder is a log's copy of a task, whose code `tasks` does not run"
    if lack := interpreter.missing(harness_python, ("numpy",)):
        return f"benchmark.py was not checked: {lack.line}"
    require_working_benchmark(task.folder, python=harness_python)
    return ""


def _is_copy_of_a_log(task: Task) -> bool:
    """Return True if a task's folder is the copy that a run writes from its log, whose code may come from another
    machine. Such a folder lies in one that is named by the first 16 digits of the task's digest, as app/task_source.py
    writes it.
    """
    return task.folder.parent.name == task.digest[:16]


def needed_by(task: Task) -> tuple[str, ...]:
    """Return the names of the Python packages that the harness imports for a task, as a tuple such as `("numpy",
    "cupy", "triton")`.
    """
    if task.device is DeviceKind.CPU:
        return ("numpy",)
    return ("numpy", "cupy", *(["triton"] if Language.TRITON in task.languages else []))


def open_harness(harness: Harness) -> Device:
    """Start the judge of `harness`, let it measure the device's constants (peak, dispatch overhead) for the task, and
    return the device with them. Raises MachineRefusal, whose message points to `kernelsmith doctor`, if this machine
    cannot judge now; TaskError if a file of the task is wrong; HarnessError if the harness failed.
    """
    try:
        return harness.open()
    except MachineRefusal as refusal:
        refusal.args = (f"{refusal}; `kernelsmith doctor` says what is missing",)
        raise
