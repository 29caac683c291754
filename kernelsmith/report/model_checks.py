"""Define the data models of the reports of `judge`, `duel` and `tasks`, which other modules render as text or JSON."""

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
    """Report of `kernelsmith judge`: the verdict on one candidate, its utilization, the GPU's readings, and the
    device that measured it. `verdict_report` makes it.
    """

    verdict: Annotated[Verdict, FLAT]
    utilization: float | None
    """Achieved rate as a fraction of the device's peak; None if the candidate did not pass."""
    vendor_disturbed: bool
    """Whether other work on the device disturbed the comparison with the vendor library."""
    telemetry: Telemetry | None
    """Clocks, power and temperature during the batches; None if none was read."""
    device: Device


@dataclass(frozen=True, slots=True)
class ReproductionReport:
    """Report of `kernelsmith judge --inputs` after a candidate ran again on the inputs of one recorded batch:
    whether every output was right, and a sentence of the judge about it. It holds no time and no utilization.
    cli/judge.py makes it.
    """

    correct: bool
    """Whether every output was right."""
    detail: str
    """The judge's sentence: what was wrong, or that all outputs are right."""


@dataclass(frozen=True, slots=True)
class DuelReport:
    """Report of `kernelsmith duel`: the names of two candidates, which of them is faster, and the speedup with its
    interval. `duel_report` makes it.
    """

    a: str
    """The first candidate as the user named it: a file, or an attempt RUN:N."""
    b: str
    """The second candidate, or `vendor`."""
    faster: str | None
    """`a` or `b`; None if the 95 % interval reaches into the margin, so that no difference is proven."""
    duel: Annotated[Duel, FLAT]
    """The comparison; its speedup is the time of b divided by the time of a."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The entry function of a task, which every candidate must define: its name, and each argument in words.
    `task_report` makes it.
    """

    entry: str
    arguments: tuple[str, ...]
    """One text per argument, in order: `A float32[M, K] (input)`."""


@dataclass(frozen=True, slots=True)
class TaskReport:
    """Report of `kernelsmith tasks TASK`: settings, signature, cases, rules and description of one task. It holds
    the hidden cases, so it is for the task's owner, and prompts are never made from it. `task_report` makes it.
    """

    name: str
    title: str
    folder: str
    device: DeviceKind
    arch: str | None
    unit: Unit
    languages: tuple[Language, ...]
    vendor: str | None
    digest: str
    """SHA-256 over the files of the task folder, hexadecimal."""
    signature: Signature
    cases: tuple[Case, ...]
    rules: tuple[str, ...]
    families: tuple[str, ...]
    """File names without endings."""
    description: str


def verdict_report(verdict: Verdict, device: Device) -> VerdictReport:
    """Return the report of a verdict for `kernelsmith judge`: the verdict with its utilization, the medians of the
    GPU's readings (clocks, power, temperature) over its batches, and `device`, the device that measured it.
    """
    telemetry = telemetry_of(verdict.batches)
    return VerdictReport(verdict, verdict.utilization, is_vendor_disturbed(verdict), telemetry, device)


def duel_report(duel: Duel, *, a: str, b: str) -> DuelReport:
    """Return the report of a duel (a direct timing comparison of two candidates) for `kernelsmith duel`. `a` and `b`
    are the candidates' names; `duel.speedup` must be the time of b divided by the time of a.
    """
    return DuelReport(a, b, _faster(duel), duel)


def task_report(task: Task) -> TaskReport:
    """Return the report of a task for its owner: settings, signature, description and all cases, hidden ones included.
    It reads the task's files to compute their digest, and raises OSError if one cannot be read.
    """
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
    """Return `a` if a duel proves the first candidate faster (the 95 % interval of the speedup of a over b lies above
    the margin 1.01), `b` if it proves the second faster (the interval lies below 1/1.01), or None if no difference is
    proven.
    """
    if duel.interval.low > duel.MARGIN:
        return "a"
    return "b" if duel.interval.high < 1 / duel.MARGIN else None


def _argument(argument: Argument) -> str:
    kind = f"{argument.dtype}[{', '.join(argument.shape)}]" if argument.shape else "int"
    return f"{argument.name} {kind} ({argument.role})"
