"""`kernelsmith duel`: two files in turn on the same inputs, the only thing that calls a difference real."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from kernelsmith.cli import options, terminal
from kernelsmith.core.verdict import Duel
from kernelsmith.report import figures


def duel(
    task: options.TaskArgument,
    a: Annotated[Path, typer.Argument(metavar="A", help="A candidate's source file.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    trust_candidates: options.Trust = False,
    json: options.Json = False,
) -> None:
    """Say which of two candidates is faster, and by how much. Exit code 1: one of them fails."""
    from kernelsmith.cli.judging import opened, ready_task
    from kernelsmith.core.candidate_file import read_candidate

    found = ready_task(task)
    first, second = read_candidate(a, found.languages), read_candidate(b, found.languages)
    with opened(found, trust_candidates=trust_candidates) as (harness, _):
        fought = harness.duel(first, second)
    if not isinstance(fought, Duel):
        terminal.fault(f"no duel: {fought.status}: {fought.detail}")
        raise typer.Exit(1)
    if json:
        return terminal.result_json({"a": str(a), "b": str(b), "faster": _faster(fought), **asdict(fought)})
    return terminal.result(_sentence(fought, str(a), str(b)))


def _faster(fought: Duel) -> str | None:
    """`a`, `b`, or None where the 95 % interval holds 1."""
    if fought.interval.low > 1:
        return "a"
    return "b" if fought.interval.high < 1 else None


def _sentence(fought: Duel, a: str, b: str) -> str:
    figure = f"speed of {a} over {b}: {figures.speedup(fought)}, {fought.quads} quads"
    match _faster(fought):
        case "a":
            return f"{a} is faster\n{figure}"
        case "b":
            return f"{b} is faster\n{figure}"
    return f"no difference at 95 %\n{figure}"
