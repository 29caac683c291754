"""`kernelsmith selftest`: candidates that cheat are judged on this machine, before a long run relies on its guards."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kernelsmith.cli import options, terminal
from kernelsmith.errors import UsageError

if TYPE_CHECKING:
    from kernelsmith.core.run import Device
    from kernelsmith.zoo import Examined

CALIBRATION_S = 0.5


def selftest(trust_candidates: options.Trust = False, json: options.Json = False) -> None:
    """Judge the zoo: cheats, honest oddities, plain mistakes. Exit code 1: a guard is missing, or accuses somebody."""
    device, examined = _examined(trust_candidates=trust_candidates, progress=not json)
    terminal.result_json(_data(device, examined)) if json else terminal.result(_summary(device, examined))
    if not all(one.is_right for one in examined):
        raise typer.Exit(1)


def require(*, trust_candidates: bool) -> None:
    """Judge the zoo before a run.

    Raises:
        UsageError: a guard is missing.
    """
    terminal.progress("selftest: candidates that cheat are judged first, on the CPU")
    device, examined = _examined(trust_candidates=trust_candidates, progress=False)
    terminal.progress(_summary(device, examined))
    if wrong := [one.exploit.name for one in examined if not one.is_right]:
        raise UsageError(f"--selftest: {', '.join(wrong)}: not as it should be; see `kernelsmith selftest`")


def _examined(*, trust_candidates: bool, progress: bool) -> "tuple[Device, list[Examined]]":
    from kernelsmith import paths
    from kernelsmith.bench.harness import HarnessProcess
    from kernelsmith.core.task_folder import load_task
    from kernelsmith.zoo import examine, load_zoo

    task, found = load_task(paths.selftest_task_folder()), []
    with (
        tempfile.TemporaryDirectory() as folder,
        HarnessProcess(
            task, folder=Path(folder), calibration_s=CALIBRATION_S, trust_candidates=trust_candidates
        ) as harness,
    ):
        device = harness.open()
        for one in examine(harness, load_zoo(paths.exploits_folder())):
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


def _data(device: "Device", examined: "list[Examined]") -> dict[str, object]:
    return {
        "isolation": device.isolation,
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
