"""`kernelsmith duel`: two candidates in turn on the same inputs, the only thing that calls a difference real."""

from dataclasses import asdict

import typer

from kernelsmith.cli import options, terminal
from kernelsmith.core.verdict import Duel
from kernelsmith.errors import UsageError
from kernelsmith.report import figures

VENDOR = "vendor"
"""In the place of B: the library that stands beside every number of the task."""


def duel(
    task: options.TaskArgument,
    a: options.FileOrAttempt,
    b: options.OtherFileOrAttempt,
    trust_candidates: options.Trust = False,
    harness_python: options.HarnessPython = None,
    db: options.Database = None,
    json: options.Json = False,
) -> None:
    """Say which of two candidates is faster, and by how much; `vendor` is the vendor line. Exit code 1: one fails."""
    from kernelsmith.cli.judging import opened, ready_task
    from kernelsmith.cli.references import candidate_of

    found = ready_task(task, harness_python=harness_python)
    url = options.database_url(db)
    first, second = candidate_of(a, found, db=url), None if b == VENDOR else candidate_of(b, found, db=url)
    if second is None and found.vendor is None:
        raise UsageError(f"vendor: {found.name} names no vendor line (`vendor` in task.toml)")
    with opened(found, trust_candidates=trust_candidates, harness_python=harness_python) as (harness, _):
        fought = harness.duel(first, second)
    if not isinstance(fought, Duel):
        terminal.fault(f"no duel: {fought.status}: {fought.detail}")
        raise typer.Exit(1)
    if json:
        return terminal.result_json({"a": a, "b": b, "faster": _faster(fought), **asdict(fought)})
    return terminal.result(_sentence(fought, a, b))


def _faster(fought: Duel) -> str | None:
    """`a`, `b`, or None where the 95 % interval does not lie beyond the margin."""
    if fought.interval.low > fought.MARGIN:
        return "a"
    return "b" if fought.interval.high < 1 / fought.MARGIN else None


def _sentence(fought: Duel, a: str, b: str) -> str:
    figure = f"speed of {a} over {b}: {figures.speedup(fought)}, {fought.quads} quads"
    match _faster(fought):
        case "a":
            return f"{a} is faster\n{figure}"
        case "b":
            return f"{b} is faster\n{figure}"
    return f"no difference beyond {figures.percent(fought.MARGIN - 1)} at 95 %\n{figure}"
