"""The self-test for its readers: plain data for programs, lines of text for people."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kernelsmith.app.selftest import JudgedZoo
from kernelsmith.app.zoo import CandidateKind, ZooOutcome, ZooResult
from kernelsmith.core.candidate import Language
from kernelsmith.core.kinds import DeviceKind
from kernelsmith.core.verdict import Status
from kernelsmith.report.text import one_line

PLACES = {DeviceKind.CPU: "the CPU", DeviceKind.CUDA: "the GPU"}


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device on which candidates were judged."""

    device: DeviceKind
    name: str
    isolation: int
    """Sandbox level, 0 to 3."""
    not_tried: tuple[str, ...]
    """Names of candidates that would harm the machine, because it offers no sandbox."""
    seconds: float


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """A candidate of the zoo, the verdict on it, and what follows for the guards."""

    name: str
    device: DeviceKind
    language: Language
    rows: tuple[int, ...]
    """Rows of the threat model that it acts out."""
    kind: CandidateKind
    story: str
    guard: str
    status: Status
    detail: str
    is_expected: bool
    outcome: ZooOutcome
    time_us: float | None
    notes: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class ZooReport:
    """Every device, and every candidate that was judged."""

    devices: tuple[DeviceRow, ...]
    candidates: tuple[CandidateRow, ...]


def zoo_report(judged: Sequence[JudgedZoo]) -> ZooReport:
    """Return the report on the zoos of one or more kinds of device."""
    candidates = (_candidate(one) for of_kind in judged for one in of_kind.examined)
    return ZooReport(tuple(map(_device, judged)), tuple(candidates))


def zoo_text(judged: JudgedZoo) -> str:
    """Return how many candidates had which outcome, and the names of those that a lowered sandbox lets through."""
    counts = Counter(str(one.outcome) for one in judged.examined)
    outcomes = ", ".join(f"{counts[name]} {name}" for name in ("caught", "missed", "passed", "falsely accused"))
    where = f"on {PLACES[judged.kind]} at isolation level {judged.device.isolation}"
    count = len(judged.examined)
    return "\n".join([f"{count} candidates {where} in {judged.seconds:.0f} s: {outcomes}", *_let_through(judged)])


def candidate_lines(one: ZooResult) -> list[str]:
    """Return a candidate's outcome with the guard that is responsible; where it is wrong, the verdict below it."""
    exploit = one.exploit
    rows = f"row {', '.join(map(str, exploit.rows))}" if exploit.rows else str(exploit.kind)
    guard = exploit.guard if exploit.kind is not CandidateKind.HONEST else exploit.story
    line = f"{one.outcome:<8}  {exploit.name:<28}  {rows:<10}  {guard}"
    return [line] if one.is_right else [line, f"          -> {one.verdict.status}: {one_line(one.detail)}"]


def _let_through(judged: JudgedZoo) -> list[str]:
    level = f"at isolation level {judged.device.isolation}"
    missed = [one.exploit.name for one in judged.examined if one.outcome is ZooOutcome.MISSED]
    lines = [f"not caught {level}: {', '.join(missed)}"] if missed else []
    if judged.untried:
        lines.append(f"not tried {level}, for nothing would stop them: {', '.join(judged.untried)}")
    return lines


def _device(judged: JudgedZoo) -> DeviceRow:
    device = judged.device
    return DeviceRow(judged.kind, device.name, device.isolation, tuple(judged.untried), round(judged.seconds, 1))


def _candidate(one: ZooResult) -> CandidateRow:
    exploit, verdict = one.exploit, one.verdict
    return CandidateRow(
        name=exploit.name,
        device=exploit.device,
        language=exploit.candidate.language,
        rows=exploit.rows,
        kind=exploit.kind,
        story=exploit.story,
        guard=exploit.guard,
        status=verdict.status,
        detail=one.detail,
        is_expected=verdict.status in exploit.expect,
        outcome=one.outcome,
        time_us=verdict.measurement.time_us if verdict.measurement else None,
        notes=verdict.notes,
        seconds=round(one.seconds, 2),
    )
