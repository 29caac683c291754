"""`kernelsmith doctor`: what was found on this machine, and the remedy for what was not."""

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
    terminal.result_json(findings) if json else terminal.result(_page(findings))
    if any(finding.required and not finding.ok for finding in findings):
        raise typer.Exit(1)


def _page(findings: "list[MachineFinding]") -> str:
    from kernelsmith.report.text import columns, one_line

    lines = columns([(_mark(finding), finding.name, one_line(finding.found)) for finding in findings]).splitlines()
    for index in reversed(range(len(findings))):
        if remedy := findings[index].remedy:
            lines.insert(index + 1, f"          -> {remedy}")
    return "\n".join(lines)


def _mark(finding: "MachineFinding") -> str:
    if finding.ok:
        return "ok"
    return "missing" if finding.required else "absent"
