"""`kernelsmith selftest`: candidates that cheat are judged on this machine, before a long run relies on its guards."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kernelsmith.cli import options, terminal
from kernelsmith.errors import UsageError

if TYPE_CHECKING:
    from kernelsmith.core.run import Device
    from kernelsmith.zoo import Examined

CALIBRATION_S = 0.5

Lowered = Annotated[
    int | None,
    typer.Option(
        "--isolation", metavar="0-3", min=0, max=3,
        help="Lower the sandbox to this level, to see what gets through.  [default: the best that the machine offers]",
    ),
]  # fmt: skip


def selftest(isolation: Lowered = None, trust_candidates: options.Trust = False, json: options.Json = False) -> None:
    """Judge the zoo: cheats, honest oddities, plain mistakes. Exit code 1: a guard is missing, or accuses somebody."""
    device, examined = _examined(trust_candidates=trust_candidates, progress=not json, isolation=isolation)
    terminal.result_json(_data(device, examined)) if json else terminal.result(_summary(device, examined))
    if not json and (lost := _lost(device, examined)):
        terminal.result(lost)
    if not all(one.is_right for one in examined) or _untried(device):
        raise typer.Exit(1)


def require(*, trust_candidates: bool) -> None:
    """Judge the zoo before a run.

    Raises:
        UsageError: a guard is missing.
    """
    terminal.progress("selftest: candidates that cheat are judged first, on the CPU")
    device, examined = _examined(trust_candidates=trust_candidates, progress=False)
    terminal.progress(_summary(device, examined))
    for line in _lost(device, examined).splitlines():
        terminal.progress(line)
    if wrong := [one.exploit.name for one in examined if not one.is_right]:
        raise UsageError(f"--selftest: {', '.join(wrong)}: not as it should be; see `kernelsmith selftest`")


def _examined(
    *, trust_candidates: bool, progress: bool, isolation: int | None = None
) -> "tuple[Device, list[Examined]]":
    from kernelsmith import paths
    from kernelsmith.bench.harness import HarnessProcess
    from kernelsmith.core.task_folder import load_task
    from kernelsmith.zoo import examine, harmless, load_zoo

    task, found = load_task(paths.selftest_task_folder()), []
    with (
        tempfile.TemporaryDirectory() as folder,
        HarnessProcess(
            task, folder=Path(folder), calibration_s=CALIBRATION_S, trust_candidates=trust_candidates,
            isolation_at_most=isolation,
        ) as harness,
    ):  # fmt: skip
        device = harness.open()
        if isolation is not None and device.isolation < isolation:
            raise UsageError(f"--isolation {isolation}: this machine offers level {device.isolation} at most")
        zoo = load_zoo(paths.exploits_folder())
        for one in examine(harness, zoo if device.isolation else harmless(zoo)):
            found.append(one)
            if progress:
                terminal.progress(_line(one))
    return device, found


def _line(one: "Examined") -> str:
    """What became of whom, and by which guard; the stories are in --json."""
    from kernelsmith.zoo import Kind

    exploit = one.exploit
    rows = f"row {', '.join(map(str, exploit.rows))}" if exploit.rows else str(exploit.kind)
    guard = exploit.guard if exploit.kind is not Kind.HONEST else exploit.story
    return f"{one.outcome:<8}  {exploit.name:<24}  {rows:<10}  {guard}"


def _summary(device: "Device", examined: "list[Examined]") -> str:
    counts = Counter(str(one.outcome) for one in examined)
    told = ", ".join(f"{counts[name]} {name}" for name in ("caught", "missed", "passed", "falsely accused"))
    return f"{len(examined)} C candidates at isolation level {device.isolation}: {told}"


def _lost(device: "Device", examined: "list[Examined]") -> str:
    """What this level lets through, by name; empty where nothing was let through and nothing left out."""
    from kernelsmith.zoo import Outcome

    level = f"at isolation level {device.isolation}"
    missed = [one.exploit.name for one in examined if one.outcome is Outcome.MISSED]
    lines = [f"not caught {level}: {', '.join(missed)}"] if missed else []
    if untried := _untried(device):
        lines.append(f"not tried {level}, for nothing would stop them: {', '.join(untried)}")
    return "\n".join(lines)


def _untried(device: "Device") -> list[str]:
    """Without a sandbox: those that would harm the machine."""
    from kernelsmith import paths
    from kernelsmith.zoo import harmless, load_zoo

    zoo = load_zoo(paths.exploits_folder())
    tried = zoo if device.isolation else harmless(zoo)
    return [exploit.name for exploit in zoo if exploit not in tried]


def _data(device: "Device", examined: "list[Examined]") -> dict[str, object]:
    return {
        "isolation": device.isolation,
        "not_tried": _untried(device),
        "candidates": [
            {
                "name": one.exploit.name,
                "rows": list(one.exploit.rows),
                "kind": str(one.exploit.kind),
                "story": one.exploit.story,
                "guard": one.exploit.guard,
                "status": str(one.verdict.status),
                "outcome": str(one.outcome),
            }
            for one in examined
        ],
    }
