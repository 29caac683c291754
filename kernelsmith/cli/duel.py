"""`kernelsmith duel`: two candidates in turn on the same inputs, the only thing that calls a difference real."""

import typer

from kernelsmith.cli import options, terminal

VENDOR = "vendor"
"""In the place of B: the library that stands beside every number of the task."""


def duel(
    task: options.TaskArgument,
    a: options.FileOrAttempt,
    b: options.OtherFileOrAttempt,
    trust_candidates: options.Trust = False,
    harness_python: options.HarnessPython = None,
    device: options.Device = None,
    db: options.Database = None,
    json: options.Json = False,
) -> None:
    """Say which of two candidates is faster, and by how much; `vendor` is the vendor line. Exit code 1: one fails."""
    from kernelsmith.app.judging import JudgeSettings, candidate_of, opened, ready_task
    from kernelsmith.app.places import database
    from kernelsmith.core.verdict import Duel
    from kernelsmith.errors import UsageError
    from kernelsmith.report.checks_page import duel_text
    from kernelsmith.report.model_checks import duel_report

    machine = JudgeSettings(harness_python, trust_candidates, device=device)
    found, url = ready_task(task, machine), database(db)
    first, second = candidate_of(a, found, db=url), None if b == VENDOR else candidate_of(b, found, db=url)
    if second is None and found.vendor is None:
        raise UsageError(f"vendor: {found.name} names no vendor line (`vendor` in task.toml)")
    with opened(found, machine, on_progress=terminal.stage) as (harness, _):
        fought = harness.duel(first, second)
    if not isinstance(fought, Duel):
        terminal.fault(f"no duel: {fought.status}: {fought.detail}")
        raise typer.Exit(1)
    report = duel_report(fought, a=a, b=b)
    return terminal.result_json(report) if json else terminal.result(duel_text(report))
