"""The harness as a program: `python -I harness/ serve|doctor ...`. One judge a process; requests on stdin.

Answers go to a private descriptor; stdout and stderr belong to the log file, for nothing else may speak on the wire.
"""

import argparse
import functools
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from harness.checking import rehearsal
from harness.compiling import gpu as gpu_build
from harness.compiling import toolchain, trusted
from harness.devices import Workplace, machine
from harness.devices.cpu import CpuWorkplace
from harness.errors import MachineError, TaskFault
from harness.judging import judge
from harness.judging.opened import Opened, OpeningError, describe, open_task
from harness.program import gpu_report
from harness.sandbox import launcher as sandbox
from harness.sandbox import spawn
from harness.timing.failure import Failed
from harness.wire import messages as wire
from harness.wire import requests as reading

BUILDS_AHEAD_NICE = 10
"""Whatever is judged meanwhile comes first."""


class Server:
    """Keeps one task open and answers requests one after the other."""

    def __init__(self, answers: wire.Answers, *, cache: Path, isolation: sandbox.Isolation, calibration_s: float,
                 device: str):  # fmt: skip
        self._answers = answers
        self._device = device
        self._cache = cache
        self._isolation = isolation
        self._calibration_s = calibration_s
        self._cores = machine.split_cores()
        self._opened: Opened | None = None
        self._loaded = functools.cache(rehearsal.load)

    def _workplace(self) -> Workplace:
        return workplace(self._device, self._cache, isolation=self._isolation, cores=self._cores)

    def serve(self) -> None:
        """Answer until stdin closes."""
        machine.take_place(self._cores)
        for line in reading.lines(sys.stdin.buffer):
            try:
                request = reading.parse(line)
            except reading.RequestError as error:
                self._answers.error("", str(error))
                continue
            self._answer_or_explain(request)

    def _answer_or_explain(self, request: wire.Request) -> None:
        try:
            self._answer(request)
        except TaskFault as error:
            self._answers.error(request.id, str(error), fault=wire.Fault.TASK)
        except MachineError as error:
            self._answers.error(request.id, str(error), fault=wire.Fault.MACHINE)
        except OpeningError as error:
            self._answers.error(request.id, str(error))
        except (OSError, KeyError, MemoryError) as error:
            traceback.print_exc()
            self._answers.error(request.id, f"{type(error).__name__}: {error}")

    def _answer(self, request: wire.Request) -> None:
        if isinstance(request, wire.Build):
            self._build_ahead(request)
            return
        opened = self._open(Path(request.task), lambda stage: self._answers.progress(request.id, stage))
        progress: Callable[[str], None] = lambda stage: self._answers.progress(request.id, stage)  # noqa: E731
        match request:
            case wire.Open():
                self._answers.opened(request.id, describe(opened))
            case wire.Judge():
                self._answers.verdict(request.id, judge.judge(opened, request, progress))
            case wire.Reproduce():
                self._reproduce(opened, request)
            case wire.DuelRequest():
                self._duel(opened, request, progress)

    def _build_ahead(self, request: wire.Build) -> None:
        """Without opening the task: whoever builds ahead has no device."""
        os.setpriority(os.PRIO_PROCESS, 0, BUILDS_AHEAD_NICE)
        task, source = self._loaded(Path(request.task)), request.candidate
        gpu_build.build_ahead(
            Path(source.path), task, language=source.language, cache=self._cache, isolation=self._isolation
        )
        self._answers.built(request.id)

    def _duel(self, opened: Opened, request: wire.DuelRequest, progress: Callable[[str], None]) -> None:
        result = judge.compare(opened, request, progress)
        if isinstance(result, wire.Verdict):
            self._answers.verdict(request.id, result)
        else:
            self._answers.duel(request.id, result.on_wire())

    def _reproduce(self, opened: Opened, request: wire.Reproduce) -> None:
        try:
            judge.reproduce(opened, request)
            self._answers.reproduced(request.id, is_correct=True, detail="all outputs of the batch are right")
        except Failed as failed:
            self._answers.reproduced(request.id, is_correct=False, detail=f"{failed.status}: {failed.detail}")

    def _open(self, folder: Path, progress: Callable[[str], None]) -> Opened:
        if self._opened is None or self._opened.task.folder != folder:
            if self._opened is not None:
                self._opened.close()
                self._opened = None
            progress("calibration")
            self._opened = open_task(
                self._loaded(folder), workplace=self._workplace(), calibration_s=self._calibration_s
            )
        return self._opened


def workplace(name: str, cache: Path, *, isolation: sandbox.Isolation, cores: machine.Cores) -> Workplace:
    """The device of this name, `cpu` or `cuda:N`. Raises MachineError: it cannot judge."""
    if name == "cpu":
        return CpuWorkplace(cache, isolation=isolation, cores=cores)
    try:
        from harness.devices.cuda import CudaWorkplace
    except ImportError as error:
        raise MachineError(f"{sys.executable} lacks {error.name}; install kernelsmith[cuda,triton] there") from error
    return CudaWorkplace(cache, ordinal=int(name.partition(":")[2]), isolation=isolation, cores=cores)


def doctor(cache: Path) -> dict[str, object]:
    """What this machine offers the judge, JSON-ready."""
    cores, isolation = machine.split_cores(), sandbox.probe()
    found: dict[str, object] = {
        "cpu": trusted.cpu_name(),
        "worker_core": None if cores.shared else cores.worker,
        "judge_cores": list(cores.judge),
        "isolation": int(isolation.level),
        "why_not_higher": isolation.why_not_higher,
        "python": sys.version.split()[0],
        "gpu": gpu_report.report(),
    }
    try:
        found["compiler"] = toolchain.find_compiler().version
        found["peaks"] = {
            unit: max(machine.measure_peak(unit, cache, core=cores.worker, seconds=0.5)) for unit in machine.PROBES
        }
    except MachineError as error:
        found["problem"] = str(error)
    return found


def main() -> int:
    """Run one command; returns the exit status."""
    arguments = _arguments()
    cache = Path(arguments.cache)
    cache.mkdir(parents=True, exist_ok=True)
    if arguments.command == "doctor":
        print(json.dumps(doctor(cache)))
        return 0
    # The terminal's interrupt is the agent's business: it ends after the attempt in flight.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent(arguments.parent)
    isolation = sandbox.probe(at_most=sandbox.Level(arguments.isolation_at_most))
    if isolation.level == sandbox.Level.BARE and not arguments.trust_candidates:
        print(f"no isolation: {isolation.why_not_higher}", file=sys.stderr)
        return 3
    if isolation.level < sandbox.Level.FULL:
        # What could be built with fewer guards must not be found by a judge that has them all.
        cache = cache / f"level-{int(isolation.level)}"
        cache.mkdir(exist_ok=True)
    with os.fdopen(arguments.answers_fd, "w", encoding="utf-8") as stream:
        os.set_inheritable(stream.fileno(), False)  # noqa: FBT003 (the standard library's own signature)
        server = Server(
            wire.Answers(stream), cache=cache, isolation=isolation, calibration_s=arguments.calibration_s,
            device=arguments.device,
        )  # fmt: skip
        server.serve()
    return 0


def _die_with_parent(parent: int) -> None:
    spawn.die_with_parent()
    if os.getppid() != parent:
        raise SystemExit("the agent is gone")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="harness", description=__doc__)
    parser.add_argument("command", choices=["serve", "doctor"])
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    parser.add_argument("--answers-fd", type=int, default=-1)
    parser.add_argument("--parent", type=int, default=-1, help="pid of the agent, with which the judge dies")
    parser.add_argument("--cache", required=True)
    parser.add_argument("--calibration-s", type=float, default=2.0)
    parser.add_argument("--trust-candidates", action="store_true")
    parser.add_argument("--isolation-at-most", type=int, choices=[*map(int, sandbox.Level)], default=3)
    return parser.parse_args()
