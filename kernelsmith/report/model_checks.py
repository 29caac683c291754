"""The data model of what commands report that write no attempt: a verdict, a duel, a batch judged again, a task."""

from dataclasses import dataclass
from typing import Annotated

from kernelsmith.core.candidate import Language
from kernelsmith.core.kinds import DeviceKind, Unit
from kernelsmith.core.run import Device
from kernelsmith.core.task import Argument, Case, Task
from kernelsmith.core.verdict import Duel, Verdict
from kernelsmith.report.model_attempt import FLAT, is_vendor_disturbed
from kernelsmith.report.telemetry import Telemetry, telemetry_of


@dataclass(frozen=True, slots=True)
class VerdictReport:
    """The verdict on one file."""

    verdict: Annotated[Verdict, FLAT]
    utilization: float | None
    vendor_disturbed: bool
    """Whether the measurement of the vendor ratio was disturbed."""
    telemetry: Telemetry | None
    device: Device


@dataclass(frozen=True, slots=True)
class ReproductionReport:
    """What came of judging a candidate on the inputs of one recorded batch."""

    correct: bool
    detail: str


@dataclass(frozen=True, slots=True)
class DuelReport:
    """A duel between two named candidates."""

    a: str
    b: str
    faster: str | None
    """`a` or `b`; None where the 95 % interval does not lie beyond the margin."""
    duel: Annotated[Duel, FLAT]
    """Its speedup is the speed of a over b."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The entry function of a task."""

    entry: str
    arguments: tuple[str, ...]
    """`A float32[M, K] (input)`."""


@dataclass(frozen=True, slots=True)
class TaskReport:
    """A task, with its hidden cases: it is for the user, not for a proposer."""

    name: str
    title: str
    folder: str
    device: DeviceKind
    arch: str | None
    unit: Unit
    languages: tuple[Language, ...]
    vendor: str | None
    digest: str
    signature: Signature
    cases: tuple[Case, ...]
    rules: tuple[str, ...]
    families: tuple[str, ...]
    description: str


def verdict_report(verdict: Verdict, device: Device) -> VerdictReport:
    """Return the verdict with the device as its denominator."""
    telemetry = telemetry_of(verdict.batches)
    return VerdictReport(verdict, verdict.utilization, is_vendor_disturbed(verdict), telemetry, device)


def duel_report(duel: Duel, *, a: str, b: str) -> DuelReport:
    """Return which of two candidates is faster; `duel` holds the speed of a over b."""
    return DuelReport(a, b, _faster(duel), duel)


def task_report(task: Task) -> TaskReport:
    """Return the task as a user reads it."""
    return TaskReport(
        name=task.name,
        title=task.title,
        folder=str(task.folder),
        device=task.device,
        arch=task.arch,
        unit=task.unit,
        languages=task.languages,
        vendor=task.vendor,
        digest=task.digest,
        signature=Signature(task.entry, tuple(map(_argument, task.arguments))),
        cases=task.cases,
        rules=task.rules,
        families=tuple(path.stem for path in task.families),
        description=task.description,
    )


def _faster(duel: Duel) -> str | None:
    if duel.interval.low > duel.MARGIN:
        return "a"
    return "b" if duel.interval.high < 1 / duel.MARGIN else None


def _argument(argument: Argument) -> str:
    kind = f"{argument.dtype}[{', '.join(argument.shape)}]" if argument.shape else "int"
    return f"{argument.name} {kind} ({argument.role})"
