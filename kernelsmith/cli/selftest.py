"""Defines the command `kernelsmith selftest`, which judges candidates that cheat, to check that the guards of this
machine catch them.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from kernelsmith import invocation
from kernelsmith.cli import options, terminal

if TYPE_CHECKING:
    from kernelsmith.app.judging import JudgeSettings
    from kernelsmith.app.zoo import ZooResult
    from kernelsmith.core.kinds import DeviceKind

Lowered = Annotated[
    int | None,
    typer.Option(
        "--isolation", metavar="0-3", min=0, max=3,
        help="Lower the sandbox to this level, to see which candidates it no longer stops."
        "  [default: the best that the machine offers]",
    ),
]  # fmt: skip


def selftest(
    device: options.ZooDevice = None,
    isolation: Lowered = None,
    trust_candidates: options.Trust = False,
    harness_python: options.HarnessPython = None,
    json: options.Json = False,
) -> None:
    """Judge candidates that cheat, look odd, or are wrong. Exit code 1: a cheat gains speed, or an honest one fails."""
    from kernelsmith.app.judging import JudgeSettings
    from kernelsmith.app.selftest import devices_here, judge_zoo
    from kernelsmith.app.zoo_report import zoo_report, zoo_text

    machine = JudgeSettings(harness_python, trust_candidates, isolation_at_most=isolation)
    kinds, left_out = ([device], "") if device else devices_here(machine)
    if left_out:
        terminal.progress(left_out)
    judged = [judge_zoo(kind, machine, tell=_silent if json else _show) for kind in kinds]
    terminal.result_json(zoo_report(judged)) if json else terminal.result("\n".join(map(zoo_text, judged)))
    if not all(of_kind.is_right for of_kind in judged):
        raise typer.Exit(1)


def require(kind: "DeviceKind", machine: "JudgeSettings") -> None:
    """Judge the cheating and honest candidates of the self-test for a kind of device, before a run on such a device,
    and print the outcome on stderr. `machine` holds the settings of the judge, such as its interpreter. Raises
    UsageError if a candidate has the wrong outcome or the machine lacks something, and HarnessError if the harness
    fails.
    """
    from kernelsmith.app.selftest import judge_zoo
    from kernelsmith.app.zoo_report import PLACES, zoo_text
    from kernelsmith.errors import UsageError

    terminal.progress(f"selftest: candidates that cheat are judged first, on {PLACES[kind]}")
    judged = judge_zoo(kind, machine)
    for line in zoo_text(judged).splitlines():
        terminal.progress(line)
    if wrong := [each.exploit.name for each in judged.examined if not each.is_right]:
        command = f"{invocation.command_name()} selftest"
        raise UsageError(f"--selftest: wrong outcome of {', '.join(wrong)}; `{command}` shows the verdicts")


def _silent(result: "ZooResult") -> None:
    """Do nothing with the result of one judged candidate: with `--json` the only output is the report at the end."""


def _show(result: "ZooResult") -> None:
    """Print the outcome of one judged candidate of the self-test on stderr, in one line, or in two if it is wrong."""
    from kernelsmith.app.zoo_report import candidate_lines

    for line in candidate_lines(result):
        terminal.progress(line)
