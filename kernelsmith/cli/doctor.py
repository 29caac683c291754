"""`kernelsmith doctor`: what was found on this machine, and the remedy for what was not."""

import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from kernelsmith.cli import options, terminal
from kernelsmith.report.text import columns, one_line

if TYPE_CHECKING:
    from kernelsmith.cli.checks import Finding


def doctor(
    base_url: Annotated[str | None, typer.Option(metavar="URL", help="A model endpoint to try.")] = None,
    harness_python: options.HarnessPython = None,
    json: options.Json = False,
) -> None:
    """Look for compiler, CPU, sandbox, GPU, model endpoint and disk. Exit code 1: a run on the CPU would fail."""
    findings = _findings(base_url, harness_python)
    if json:
        terminal.result_json([asdict(finding) for finding in findings])
    else:
        terminal.result(_page(findings))
    if any(finding.required and not finding.ok for finding in findings):
        raise typer.Exit(1)


def _findings(base_url: str | None, python: str | None) -> "list[Finding]":
    from kernelsmith import paths
    from kernelsmith.cli import checks

    runs = paths.default_database().parent
    return [
        *checks.machine_findings(python or sys.executable),
        *checks.gpu_findings(python),
        checks.endpoint_finding(base_url, os.environ),
        checks.write_finding(runs),
        checks.disk_finding(runs),
    ]


def _page(findings: "list[Finding]") -> str:
    rows = [(_mark(finding), finding.name, one_line(finding.found)) for finding in findings]
    lines = columns(rows).splitlines()
    for index in reversed(range(len(findings))):
        if remedy := findings[index].remedy:
            lines.insert(index + 1, f"          -> {remedy}")
    return "\n".join(lines)


def _mark(finding: "Finding") -> str:
    if finding.ok:
        return "ok"
    return "missing" if finding.required else "absent"
