"""Judge the zoo on this machine: do the guards catch the candidates that cheat, and accuse no honest one?"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kernelsmith import paths
from kernelsmith.app import interpreter
from kernelsmith.app.judging import JudgeSettings, harness_for
from kernelsmith.app.preflight import needed_by, open_harness
from kernelsmith.app.zoo import ZooResult, examine, harmless, load_zoo
from kernelsmith.core.kinds import DeviceKind
from kernelsmith.core.run import Device
from kernelsmith.core.task import Task
from kernelsmith.core.task_folder import load_task
from kernelsmith.errors import UsageError
from kernelsmith.judge_client import gpu

CALIBRATION_S = 0.5


@dataclass(frozen=True, slots=True)
class JudgedZoo:
    """The zoo of one kind of device, as it was judged there."""

    kind: DeviceKind
    device: Device
    examined: Sequence[ZooResult]
    untried: Sequence[str]
    """Names of candidates that would harm the machine, because it offers no sandbox."""
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether every guard was tried and held, and no honest candidate was accused."""
        return all(one.is_right for one in self.examined) and not self.untried


def judge_zoo(
    kind: DeviceKind, machine: JudgeSettings, *, tell: Callable[[ZooResult], None] = lambda one: None
) -> JudgedZoo:
    """Judge every candidate for a kind of device; `tell` hears of each.

    Raises:
        UsageError: this machine cannot run the zoo's task, or offers a lower sandbox than `isolation_at_most`.
        HarnessError: the harness failed.
    """
    task, begin = _ready_task(kind, machine), time.monotonic()
    zoo = load_zoo(paths.exploits_folder(), device=kind)
    found: list[ZooResult] = []
    with harness_for(task, machine._replace(calibration_s=CALIBRATION_S)) as harness:
        harness.prepare([exploit.candidate for exploit in zoo])
        device = open_harness(harness)
        _refuse_lower(device, machine)
        tried = zoo if device.isolation else harmless(zoo)
        for one in examine(harness, tried):
            found.append(one)
            tell(one)
    untried = [exploit.name for exploit in zoo if exploit not in tried]
    return JudgedZoo(kind, device, found, untried, time.monotonic() - begin)


def devices_here(machine: JudgeSettings) -> tuple[list[DeviceKind], str]:
    """Return the CPU, and a GPU where one answers and can be judged; and why a GPU is left out, if it is."""
    if gpu.missing():
        return [DeviceKind.CPU], ""
    if lack := interpreter.missing(machine.harness_python, needed_by(_task(DeviceKind.CUDA))):
        return [DeviceKind.CPU], f"the GPU is left out: {lack.line}"
    return list(DeviceKind), ""


def _task(kind: DeviceKind) -> Task:
    return load_task(paths.selftest_task_folder(kind))


def _ready_task(kind: DeviceKind, machine: JudgeSettings) -> Task:
    task = _task(kind)
    if kind is DeviceKind.CUDA and (missing := gpu.missing()):
        raise UsageError(f"--device cuda needs an NVIDIA GPU: {missing}; --device cpu needs none")
    if lack := interpreter.missing(machine.harness_python, needed_by(task)):
        raise UsageError(lack.line)
    return task


def _refuse_lower(device: Device, machine: JudgeSettings) -> None:
    level = machine.isolation_at_most
    if level is not None and device.isolation < level:
        raise UsageError(f"--isolation {level}: this machine offers level {device.isolation} at most")
