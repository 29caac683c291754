"""`kernelsmith selftest`: candidates that cheat are judged on this machine, before a long run relies on its guards."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kernelsmith.cli import options, terminal
from kernelsmith.core.kinds import DeviceKind
from kernelsmith.errors import UsageError

if TYPE_CHECKING:
    from kernelsmith.app.judging import Machine
    from kernelsmith.app.selftest import JudgedZoo
    from kernelsmith.app.zoo import Examined

PLACES = {DeviceKind.CPU: "the CPU", DeviceKind.CUDA: "the GPU"}

Lowered = Annotated[
    int | None,
    typer.Option(
        "--isolation", metavar="0-3", min=0, max=3,
        help="Lower the sandbox to this level, to see what gets through.  [default: the best that the machine offers]",
    ),
]  # fmt: skip


def selftest(
    device: options.ZooDevice = None,
    isolation: Lowered = None,
    trust_candidates: options.Trust = False,
    harness_python: options.HarnessPython = None,
    json: options.Json = False,
) -> None:
    """Judge the zoo: cheats, honest oddities, plain mistakes. Exit code 1: a guard is missing, or accuses somebody."""
    from kernelsmith.app.judging import Machine
    from kernelsmith.app.selftest import devices_here, judge_zoo

    machine = Machine(harness_python, trust_candidates, isolation_at_most=isolation)
    kinds, left_out = ([device], "") if device else devices_here(machine)
    if left_out:
        terminal.progress(left_out)
    judged = [judge_zoo(kind, machine, tell=_silent if json else _show) for kind in kinds]
    terminal.result_json(_data(judged)) if json else terminal.result("\n".join(map(_summary, judged)))
    if not all(of_kind.is_right for of_kind in judged):
        raise typer.Exit(1)


def require(kind: DeviceKind, machine: "Machine") -> None:
    """Judge the zoo of a kind of device before a run on it.

    Raises:
        UsageError: a guard is missing, or the machine lacks what the zoo's task needs.
    """
    from kernelsmith.app.selftest import judge_zoo

    terminal.progress(f"selftest: candidates that cheat are judged first, on {PLACES[kind]}")
    judged = judge_zoo(kind, machine)
    for line in _summary(judged).splitlines():
        terminal.progress(line)
    if wrong := [one.exploit.name for one in judged.examined if not one.is_right]:
        raise UsageError(f"--selftest: {', '.join(wrong)}: not as it should be; see `kernelsmith selftest`")


def _silent(one: "Examined") -> None:
    """Show nothing."""


def _show(one: "Examined") -> None:
    for line in _lines(one):
        terminal.progress(line)


def _lines(one: "Examined") -> list[str]:
    """Return what became of a candidate, and by which guard; and why, where it is not as it should be."""
    from kernelsmith.app.zoo import Kind
    from kernelsmith.report.text import one_line

    exploit = one.exploit
    rows = f"row {', '.join(map(str, exploit.rows))}" if exploit.rows else str(exploit.kind)
    guard = exploit.guard if exploit.kind is not Kind.HONEST else exploit.story
    told = f"{one.outcome:<8}  {exploit.name:<28}  {rows:<10}  {guard}"
    return [told] if one.is_right else [told, f"          -> {one.verdict.status}: {one_line(one.detail)}"]


def _summary(judged: "JudgedZoo") -> str:
    counts = Counter(str(one.outcome) for one in judged.examined)
    told = ", ".join(f"{counts[name]} {name}" for name in ("caught", "missed", "passed", "falsely accused"))
    where = f"on {PLACES[judged.kind]} at isolation level {judged.device.isolation}"
    return "\n".join([f"{len(judged.examined)} candidates {where} in {judged.seconds:.0f} s: {told}", *_lost(judged)])


def _lost(judged: "JudgedZoo") -> list[str]:
    """Return what this level lets through, by name; nothing where everything was tried and caught."""
    from kernelsmith.app.zoo import Outcome

    level = f"at isolation level {judged.device.isolation}"
    missed = [one.exploit.name for one in judged.examined if one.outcome is Outcome.MISSED]
    lines = [f"not caught {level}: {', '.join(missed)}"] if missed else []
    if judged.untried:
        lines.append(f"not tried {level}, for nothing would stop them: {', '.join(judged.untried)}")
    return lines


def _data(judged: "list[JudgedZoo]") -> dict[str, Any]:
    devices = [
        {
            "device": of_kind.kind,
            "name": of_kind.device.name,
            "isolation": of_kind.device.isolation,
            "not_tried": list(of_kind.untried),
            "seconds": round(of_kind.seconds, 1),
        }
        for of_kind in judged
    ]
    return {"devices": devices, "candidates": [_candidate(one) for of_kind in judged for one in of_kind.examined]}


def _candidate(one: "Examined") -> dict[str, Any]:
    return {
        "name": one.exploit.name,
        "device": one.exploit.device,
        "language": one.exploit.candidate.language,
        "rows": list(one.exploit.rows),
        "kind": one.exploit.kind,
        "story": one.exploit.story,
        "guard": one.exploit.guard,
        "status": one.verdict.status,
        "detail": one.detail,
        "is_expected": one.verdict.status in one.exploit.expect,
        "outcome": one.outcome,
        "time_us": one.verdict.measurement.time_us if one.verdict.measurement else None,
        "notes": list(one.verdict.notes),
        "seconds": round(one.seconds, 2),
    }
