"""Judges the zoo (cheating and honest candidates that ship with kernelsmith) on this machine, to check that every cheat
is caught and no honest candidate is accused.
"""

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
"""Seconds of calibration for the self-test; its figures need no precision."""


@dataclass(frozen=True, slots=True)
class JudgedZoo:
    """The result of a self-test on one device: the device, the result of each judged candidate of the zoo, the names of
    those that were not judged, and the time taken. `judge_zoo` makes it.
    """

    kind: DeviceKind
    device: Device
    examined: Sequence[ZooResult]
    untried: Sequence[str]
    """Names of candidates that were not judged, because they would harm a machine without a sandbox."""
    seconds: float
    """Time for all candidates, in seconds."""

    @property
    def is_right(self) -> bool:
        """Return True if every candidate was judged and had the right outcome: cheats and wrong ones caught, honest
        ones passed.
        """
        return all(result.is_right for result in self.examined) and not self.untried


def judge_zoo(
    kind: DeviceKind, machine: JudgeSettings, *, tell: Callable[[ZooResult], None] = lambda result: None
) -> JudgedZoo:
    """Judge every zoo candidate (cheating or honest) for the device kind `kind`, and return all results; `tell(result)`
    receives each as soon as it is known. `machine` holds the settings of the judge: interpreter, trust in candidates,
    highest sandbox level. Raises UsageError if the machine lacks what the zoo needs or that level, and HarnessError if
    the harness fails.
    """
    task, begin = _ready_task(kind, machine), time.monotonic()
    zoo = load_zoo(paths.exploits_folder(), device=kind)
    results: list[ZooResult] = []
    with harness_for(task, machine._replace(calibration_s=CALIBRATION_S)) as harness:
        harness.prepare([exploit.candidate for exploit in zoo])
        device = open_harness(harness)
        _refuse_lower(device, machine)
        tried = zoo if device.isolation else harmless(zoo)
        for result in examine(harness, tried):
            results.append(result)
            tell(result)
    untried = [exploit.name for exploit in zoo if exploit not in tried]
    return JudgedZoo(kind, device, results, untried, time.monotonic() - begin)


def devices_here(machine: JudgeSettings) -> tuple[list[DeviceKind], str]:
    """Return a pair: the list of device kinds on which this machine can judge (the CPU always), and a text. The text
    says why an existing GPU is left out, or is empty. `machine` holds the judge's settings, which name the interpreter
    that must have the packages for a GPU.
    """
    if gpu.missing():
        return [DeviceKind.CPU], ""
    if lack := interpreter.missing(machine.harness_python, needed_by(_task(DeviceKind.CUDA))):
        return [DeviceKind.CPU], f"the GPU is left out: {lack.line}"
    return list(DeviceKind), ""


def _task(kind: DeviceKind) -> Task:
    return load_task(paths.selftest_task_folder(kind))


def _ready_task(kind: DeviceKind, machine: JudgeSettings) -> Task:
    """Return the small task that the self-test's candidates for a kind of device are written for. Raises UsageError if
    this machine lacks the GPU, or if the interpreter that the judge's settings `machine` name lacks a package that the
    task needs.
    """
    task = _task(kind)
    if kind is DeviceKind.CUDA and (missing := gpu.missing()):
        raise UsageError(f"--device cuda needs an NVIDIA GPU: {missing}; --device cpu needs none")
    if lack := interpreter.missing(machine.harness_python, needed_by(task)):
        raise UsageError(lack.line)
    return task


def _refuse_lower(device: Device, machine: JudgeSettings) -> None:
    """Check that the sandbox of `device` has at least the level (0 to 3, 3 = all guards) that the user asked for in the
    judge's settings `machine`; return nothing. Raises UsageError if its level is lower. Nothing is checked if the user
    asked for none.
    """
    level = machine.isolation_at_most
    if level is not None and device.isolation < level:
        raise UsageError(f"--isolation {level}: this machine offers level {device.isolation} at most")
