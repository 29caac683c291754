"""Defines the command `kernelsmith doctor`, which lists what this machine offers a run, with a remedy for what it
lacks.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from kernelsmith.cli import options, terminal

if TYPE_CHECKING:
    from kernelsmith.app.doctor import MachineFinding


def doctor(
    base_url: Annotated[str | None, typer.Option(metavar="URL", help="A model endpoint to try.")] = None,
    harness_python: options.HarnessPython = None,
    json: options.Json = False,
) -> None:
    """List what was found of compiler, CPU, sandbox, GPU, model endpoint and disk. Exit code 1: a run on the CPU would
    fail.
    """
    from kernelsmith.app.doctor import examine_machine

    findings = examine_machine(base_url, python=harness_python)
    terminal.result_json(findings) if json else terminal.result(doctor_text(findings, width=terminal.width()))
    if any(finding.required and not finding.ok for finding in findings):
        raise typer.Exit(1)


def doctor_text(findings: "Sequence[MachineFinding]", *, width: int | None = None) -> str:
    """Return one text: for each finding about this machine a row (mark, name, what was found), and below it a row with
    its remedy, if there is one. `width` is the number of characters to which findings and remedies are wrapped; None
    leaves them on one line.
    """
    from kernelsmith.report.text import entries, one_line

    rows = []
    for finding in findings:
        rows.append((_mark(finding), finding.name, one_line(finding.found)))
        rows += [("", "", f"-> {one_line(finding.remedy)}")] if finding.remedy else []
    return entries(rows, width=width)


def _mark(finding: "MachineFinding") -> str:
    """Return the word that stands before a finding about this machine: `ok`; `missing` if it lacks something that a run
    on the CPU needs; `absent` if it lacks something that such a run does not need, such as a GPU.
    """
    if finding.ok:
        return "ok"
    return "missing" if finding.required else "absent"
