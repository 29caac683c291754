"""`kernelsmith selftest`: candidates that cheat are judged on this machine, before a long run relies on its guards."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kernelsmith.judge_client import gpu
from kernelsmith.cli import interpreter, options, terminal
from kernelsmith.cli.judging import needed_by, open_or_explain
from kernelsmith.cli.options import DeviceKind
from kernelsmith.errors import UsageError

if TYPE_CHECKING:
    from kernelsmith.core.run import Device
    from kernelsmith.core.task import Task
    from kernelsmith.zoo import Examined

CALIBRATION_S = 0.5
PLACES = {DeviceKind.CPU: "the CPU", DeviceKind.CUDA: "the GPU"}

Lowered = Annotated[
    int | None,
    typer.Option(
        "--isolation", metavar="0-3", min=0, max=3,
        help="Lower the sandbox to this level, to see what gets through.  [default: the best that the machine offers]",
    ),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """The zoo of one kind of device, as it was judged there."""

    kind: DeviceKind
    device: "Device"
    examined: "Sequence[Examined]"
    untried: Sequence[str]
    """Without a sandbox: those that would harm the machine."""
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether every guard was tried and held, and nobody honest was accused."""
        return all(one.is_right for one in self.examined) and not self.untried


def selftest(
    device: options.ZooDevice = None,
    isolation: Lowered = None,
    trust_candidates: options.Trust = False,
    harness_python: options.HarnessPython = None,
    json: options.Json = False,
) -> None:
    """Judge the zoo: cheats, honest oddities, plain mistakes. Exit code 1: a guard is missing, or accuses somebody."""
    tell: Callable[[str], None] = (lambda line: None) if json else terminal.progress
    judged = [
        _judged(kind, harness_python=harness_python, trust_candidates=trust_candidates, tell=tell, isolation=isolation)
        for kind in ([device] if device else _answering(harness_python))
    ]
    terminal.result_json(_data(judged)) if json else terminal.result("\n".join(map(_summary, judged)))
    if not all(of_kind.is_right for of_kind in judged):
        raise typer.Exit(1)


def require(device: str, *, harness_python: str | None, trust_candidates: bool) -> None:
    """Judge the zoo of a kind of device before a run on it.

    Raises:
        UsageError: a guard is missing, or the machine lacks what the zoo's task needs.
    """
    kind = DeviceKind(device)
    terminal.progress(f"selftest: candidates that cheat are judged first, on {PLACES[kind]}")
    judged = _judged(kind, harness_python=harness_python, trust_candidates=trust_candidates, tell=lambda line: None)
    for line in _summary(judged).splitlines():
        terminal.progress(line)
    if wrong := [one.exploit.name for one in judged.examined if not one.is_right]:
        raise UsageError(f"--selftest: {', '.join(wrong)}: not as it should be; see `kernelsmith selftest`")


def _answering(harness_python: str | None) -> list[DeviceKind]:
    """The CPU, and a GPU where one answers; one that cannot be judged for want of a package is told and left out."""
    if gpu.missing():
        return [DeviceKind.CPU]
    if lack := interpreter.missing(harness_python, needed_by(_task(DeviceKind.CUDA))):
        terminal.progress(f"the GPU is left out: {lack}")
        return [DeviceKind.CPU]
    return list(DeviceKind)


def _task(kind: DeviceKind) -> "Task":
    from kernelsmith import paths
    from kernelsmith.core.task_folder import load_task

    return load_task(paths.selftest_task_folder(kind))


def _ready_task(kind: DeviceKind, *, harness_python: str | None) -> "Task":
    """The task of a kind of device. Raises UsageError: this machine cannot run it."""
    task = _task(kind)
    if kind is DeviceKind.CUDA and (lack := gpu.missing()):
        raise UsageError(f"--device cuda needs an NVIDIA GPU: {lack}; --device cpu needs none")
    if lack := interpreter.missing(harness_python, needed_by(task)):
        raise UsageError(lack)
    return task


def _judged(
    kind: DeviceKind, *, harness_python: str | None, trust_candidates: bool, tell: Callable[[str], None],
    isolation: int | None = None,
) -> Judged:  # fmt: skip
    from kernelsmith import paths
    from kernelsmith.judge_client.harness import HarnessProcess
    from kernelsmith.zoo import examine, harmless, load_zoo

    task, begin = _ready_task(kind, harness_python=harness_python), time.monotonic()
    zoo = load_zoo(paths.exploits_folder(), device=kind)
    found: list[Examined] = []
    with (
        tempfile.TemporaryDirectory(prefix="kernelsmith-") as folder,
        HarnessProcess(
            task, folder=Path(folder), calibration_s=CALIBRATION_S, trust_candidates=trust_candidates,
            python=harness_python, isolation_at_most=isolation,
        ) as harness,
    ):  # fmt: skip
        harness.prepare([exploit.candidate for exploit in zoo])
        device = open_or_explain(harness)
        if isolation is not None and device.isolation < isolation:
            raise UsageError(f"--isolation {isolation}: this machine offers level {device.isolation} at most")
        tried = zoo if device.isolation else harmless(zoo)
        for one in examine(harness, tried):
            found.append(one)
            for line in _lines(one):
                tell(line)
    untried = [exploit.name for exploit in zoo if exploit not in tried]
    return Judged(kind, device, found, untried, time.monotonic() - begin)


def _lines(one: "Examined") -> list[str]:
    """What became of whom, and by which guard; of one that is not as it should be, why. The stories are in --json."""
    from kernelsmith.report.text import one_line
    from kernelsmith.zoo import Kind

    exploit = one.exploit
    rows = f"row {', '.join(map(str, exploit.rows))}" if exploit.rows else str(exploit.kind)
    guard = exploit.guard if exploit.kind is not Kind.HONEST else exploit.story
    told = f"{one.outcome:<8}  {exploit.name:<28}  {rows:<10}  {guard}"
    return [told] if one.is_right else [told, f"          -> {one.verdict.status}: {one_line(one.detail)}"]


def _summary(judged: Judged) -> str:
    counts = Counter(str(one.outcome) for one in judged.examined)
    told = ", ".join(f"{counts[name]} {name}" for name in ("caught", "missed", "passed", "falsely accused"))
    where = f"on {PLACES[judged.kind]} at isolation level {judged.device.isolation}"
    return "\n".join([f"{len(judged.examined)} candidates {where} in {judged.seconds:.0f} s: {told}", *_lost(judged)])


def _lost(judged: Judged) -> list[str]:
    """What this level lets through, by name; nothing where nothing was let through and nothing left out."""
    from kernelsmith.zoo import Outcome

    level = f"at isolation level {judged.device.isolation}"
    lines, missed = [], [one.exploit.name for one in judged.examined if one.outcome is Outcome.MISSED]
    if missed:
        lines.append(f"not caught {level}: {', '.join(missed)}")
    if judged.untried:
        lines.append(f"not tried {level}, for nothing would stop them: {', '.join(judged.untried)}")
    return lines


def _data(judged: Sequence[Judged]) -> dict[str, object]:
    return {
        "devices": [
            {
                "device": str(of_kind.kind),
                "name": of_kind.device.name,
                "isolation": of_kind.device.isolation,
                "not_tried": list(of_kind.untried),
                "seconds": round(of_kind.seconds, 1),
            }
            for of_kind in judged
        ],
        "candidates": [_candidate(one) for of_kind in judged for one in of_kind.examined],
    }


def _candidate(one: "Examined") -> dict[str, object]:
    return {
        "name": one.exploit.name,
        "device": one.exploit.device,
        "language": str(one.exploit.candidate.language),
        "rows": list(one.exploit.rows),
        "kind": str(one.exploit.kind),
        "story": one.exploit.story,
        "guard": one.exploit.guard,
        "status": str(one.verdict.status),
        "detail": one.detail,
        "is_expected": one.verdict.status in one.exploit.expect,
        "outcome": str(one.outcome),
        "time_us": one.verdict.measurement.time_us if one.verdict.measurement else None,
        "notes": list(one.verdict.notes),
        "seconds": round(one.seconds, 2),
    }
