"""Builds the report of the self-test, in which cheating and honest candidates (the zoo) are judged: plain data for
`--json`, and lines of text for a terminal.
"""

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
    """One device of the self-test's JSON report: its name, its sandbox level, the candidates that were not judged on
    it, and the time taken. `zoo_report` makes it.
    """

    device: DeviceKind
    name: str
    isolation: int
    """Sandbox level, 0 to 3."""
    not_tried: tuple[str, ...]
    """Names of candidates that were not judged, because they would harm a machine without a sandbox."""
    seconds: float
    """Time for all candidates, in seconds."""


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """One candidate of the self-test's JSON report: what it tries, the guard that must catch it, its verdict and its
    outcome. `zoo_report` makes it.
    """

    name: str
    device: DeviceKind
    language: Language
    rows: tuple[int, ...]
    """Rows of the threat model that the candidate tries."""
    kind: CandidateKind
    story: str
    guard: str
    status: Status
    detail: str
    is_expected: bool
    """Whether the status is one that the zoo expects of the candidate."""
    outcome: ZooOutcome
    time_us: float | None
    """Time per call in microseconds; None if the candidate was not timed."""
    notes: tuple[str, ...]
    seconds: float
    """Time from source to outcome, in seconds."""


@dataclass(frozen=True, slots=True)
class ZooReport:
    """The self-test as plain data for `--json`: the devices, and the candidates that were judged on them. `zoo_report`
    makes it.
    """

    devices: tuple[DeviceRow, ...]
    candidates: tuple[CandidateRow, ...]


def zoo_report(judged: Sequence[JudgedZoo]) -> ZooReport:
    """Return the report of a self-test as plain data for `--json`; `judged` holds the results of each kind of device on
    which candidates were judged.
    """
    candidates = (_candidate(result) for of_kind in judged for result in of_kind.examined)
    return ZooReport(tuple(map(_device, judged)), tuple(candidates))


def zoo_text(judged: JudgedZoo) -> str:
    """Return a text of one to three lines about the self-test on one device: the number of candidates for each outcome,
    and the names of cheats that were not caught and of candidates that were not judged.
    """
    counts = Counter(str(result.outcome) for result in judged.examined)
    outcomes = ", ".join(f"{counts[name]} {name}" for name in ("caught", "missed", "passed", "falsely accused"))
    where = f"on {PLACES[judged.kind]} at isolation level {judged.device.isolation}"
    count = len(judged.examined)
    return "\n".join([f"{count} candidates {where} in {judged.seconds:.0f} s: {outcomes}", *_let_through(judged)])


def candidate_lines(result: ZooResult) -> list[str]:
    """Return a list with one line: outcome and name of a candidate, and the guard that must catch it (for an honest
    candidate, what it does). If the outcome is wrong, a second line holds the verdict.
    """
    exploit = result.exploit
    rows = f"row {', '.join(map(str, exploit.rows))}" if exploit.rows else str(exploit.kind)
    guard = exploit.guard if exploit.kind is not CandidateKind.HONEST else exploit.story
    line = f"{result.outcome:<8}  {exploit.name:<28}  {rows:<10}  {guard}"
    return [line] if result.is_right else [line, f"          -> {result.verdict.status}: {one_line(result.detail)}"]


def _let_through(judged: JudgedZoo) -> list[str]:
    level = f"at isolation level {judged.device.isolation}"
    missed = [each.exploit.name for each in judged.examined if each.outcome is ZooOutcome.MISSED]
    lines = [f"not caught {level}: {', '.join(missed)}"] if missed else []
    if judged.untried:
        lines.append(f"not tried {level}, because nothing would stop them: {', '.join(judged.untried)}")
    return lines


def _device(judged: JudgedZoo) -> DeviceRow:
    device = judged.device
    return DeviceRow(judged.kind, device.name, device.isolation, tuple(judged.untried), round(judged.seconds, 1))


def _candidate(result: ZooResult) -> CandidateRow:
    exploit, verdict = result.exploit, result.verdict
    return CandidateRow(
        name=exploit.name,
        device=exploit.device,
        language=exploit.candidate.language,
        rows=exploit.rows,
        kind=exploit.kind,
        story=exploit.story,
        guard=exploit.guard,
        status=verdict.status,
        detail=result.detail,
        is_expected=verdict.status in exploit.expect,
        outcome=result.outcome,
        time_us=verdict.measurement.time_us if verdict.measurement else None,
        notes=verdict.notes,
        seconds=round(result.seconds, 2),
    )
