"""Answers the requests of the agent (the program that searches for kernels) one after the other, and keeps one task
open between them, so that its constants are measured only once.
"""

import functools
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

from harness.checking import benchmark_check
from harness.compiling import gpu as gpu_build
from harness.compiling.build_runner import BuildContext
from harness.devices import Device, machine
from harness.devices.cpu import CpuDevice
from harness.devices.scripted import ScriptedDevice
from harness.errors import MachineError, TaskFault
from harness.judging import judge, opening
from harness.judging.duel import Duel
from harness.judging.judgement import Progress
from harness.judging.open_task import OpenTask
from harness.sandbox import launcher as sandbox
from harness.wire import messages as wire
from harness.wire import requests

BUILDS_AHEAD_NICE = 10
"""Nice value of builds ahead, so that they yield the processor to the judgement that runs meanwhile."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The options with which a judge process was started: the device (`cpu`, `cuda:N` or `scripted:FILE`), the folder
    in which builds are kept, the Isolation (sandbox level that the machine offers, with what its guards need), and the
    seconds for which the device's peak is measured. `main` makes it from the command line.
    """

    device: str
    """`cpu`, `cuda:N` or `scripted:FILE`."""
    cache: Path
    """Folder of built candidates and trusted programs."""
    isolation: sandbox.Isolation
    calibration_s: float
    """Seconds for which the peak is measured when a task is opened."""


class Server:
    """The judge: reads requests from standard input, measures candidates, and writes answers to the agent through
    `answers`. `settings` holds the options of the process: device, cache folder, sandbox level. The task of the last
    request stays open with the constants measured for it, until a request names another task.
    """

    def __init__(self, answers: wire.Answers, settings: Settings) -> None:
        self._answers = answers
        self._settings = settings
        self._cores = machine.split_cores()
        self._opened: OpenTask | None = None
        self._loaded = functools.cache(benchmark_check.load)

    def serve(self) -> None:
        """Read and answer requests until standard input is closed, then return; keep this process off the candidates'
        core meanwhile. A bad request, or a fault of task or machine, is answered with an `error`; the next request is
        then read. Raises OSError if the agent has closed the answers.
        """
        with machine.pin_judge(self._cores):
            for line in requests.lines(sys.stdin.buffer):
                self._read_and_answer(line)

    def _read_and_answer(self, line: bytes) -> None:
        try:
            request = requests.parse(line)
        except requests.RequestError as error:
            self._answers.error("", str(error))
        else:
            self._answer_or_explain(request)

    def _answer_or_explain(self, request: wire.Request) -> None:
        try:
            self._answer(request)
        except TaskFault as error:
            self._answers.error(request.id, str(error), fault=wire.Fault.TASK)
        except MachineError as error:
            self._answers.error(request.id, str(error), fault=wire.Fault.MACHINE)
        except opening.OpeningError as error:
            self._answers.error(request.id, str(error))
        except (OSError, KeyError, MemoryError) as error:
            traceback.print_exc()
            self._answers.error(request.id, f"{type(error).__name__}: {error}")

    def _answer(self, request: wire.Request) -> None:
        if isinstance(request, wire.Build):
            self._build_ahead(request)
            return
        progress: Progress = functools.partial(self._answers.progress, request.id)
        opened = self._open(Path(request.task), progress)
        match request:
            case wire.Open():
                self._answers.opened(request.id, opening.describe(opened))
            case wire.Measure():
                self._answers.verdict(request.id, judge.measure(opened, request, progress))
            case wire.Contend():
                self._answers.verdict(request.id, judge.contend(opened, request, progress))
            case wire.Reproduce():
                is_correct, detail = judge.reproduce(opened, request)
                self._answers.reproduced(request.id, is_correct=is_correct, detail=detail)
            case wire.DuelRequest():
                self._answer_duel(request.id, judge.compare(opened, request, progress))

    def _build_ahead(self, request: wire.Build) -> None:
        """Build the candidate of a `build` request into the cache of builds, at low priority so that a measurement is
        disturbed less, and answer `built`, also if the candidate does not compile. No task is opened, because no device
        is needed. Raises TaskFault if a file of the task folder is wrong.
        """
        settings, source = self._settings, request.candidate
        task = self._loaded(Path(request.task))
        build = functools.partial(
            gpu_build.build_ahead, Path(source.path), task, language=source.language,
            context=BuildContext(settings.cache, settings.isolation),
        )  # fmt: skip
        machine.at_low_priority(build, nice=BUILDS_AHEAD_NICE)
        self._answers.built(request.id)

    def _answer_duel(self, request_id: str, result: Duel | wire.Verdict) -> None:
        if isinstance(result, wire.Verdict):
            self._answers.verdict(request_id, result)
        else:
            self._answers.duel(request_id, result.on_wire())

    def _open(self, folder: Path, progress: Progress) -> OpenTask:
        if self._opened is None or self._opened.task.folder != folder:
            if self._opened is not None:
                self._opened.close()
                self._opened = None
            progress("calibration")
            self._opened = opening.open_task(
                self._loaded(folder),
                device=device_named(self._settings, self._cores),
                calibration_s=self._settings.calibration_s,
                progress=functools.partial(progress, "calibration"),
            )
        return self._opened


def device_named(settings: Settings, cores: machine.Cores) -> Device:
    """Return the Device that `settings.device` names: a CPU core (`cpu`), a GPU (`cuda:0`), or a script that simulates
    a device for tests (`scripted:FILE`). `cores` says which CPU core candidates run on and which the judge keeps.
    Raises MachineError if this machine or Python lacks something that the device needs, TaskFault if a script is wrong.
    """
    kind, _, argument = settings.device.partition(":")
    if kind == "scripted":
        return ScriptedDevice.of_file(Path(argument), isolation=settings.isolation)
    if kind == "cpu":
        return CpuDevice(settings.cache, isolation=settings.isolation, cores=cores)
    try:
        from harness.devices.cuda import CudaDevice
    except ImportError as error:
        raise MachineError(f"{sys.executable} lacks {error.name}; install kernelsmith[cuda,triton] there") from error
    return CudaDevice(settings.cache, ordinal=int(argument), isolation=settings.isolation, cores=cores)
