"""Defines `kernelsmith doctor`: lists what this machine offers a run, with a remedy for what it lacks."""

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
    """Look for compiler, CPU, sandbox, GPU, model endpoint and disk. Exit code 1: a run on the CPU would fail."""
    from kernelsmith.app.doctor import examine_machine

    findings = examine_machine(base_url, python=harness_python)
    terminal.result_json(findings) if json else terminal.result(doctor_text(findings, width=terminal.width()))
    if any(finding.required and not finding.ok for finding in findings):
        raise typer.Exit(1)


def doctor_text(findings: "Sequence[MachineFinding]", *, width: int | None = None) -> str:
    """Return one row (mark, name, finding) for each finding, and a row with its remedy below it, if it has one.

    Where `width` is given, findings and remedies are wrapped to `width` characters.
    """
    from kernelsmith.report.text import entries, one_line

    rows = []
    for finding in findings:
        rows.append((_mark(finding), finding.name, one_line(finding.found)))
        rows += [("", "", f"-> {one_line(finding.remedy)}")] if finding.remedy else []
    return entries(rows, width=width)


def _mark(finding: "MachineFinding") -> str:
    """Return the mark of a finding: `ok`, `missing` if runs on the CPU need what lacks, or `absent` if they do not."""
    if finding.ok:
        return "ok"
    return "missing" if finding.required else "absent"
