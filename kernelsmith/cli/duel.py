"""`kernelsmith duel`: run two candidates in turn on the same inputs and print which is faster, and by how much."""

import typer

from kernelsmith.cli import options, terminal

VENDOR = "vendor"
"""The second argument of `duel` that means the task's vendor library."""


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
    """Say which of two candidates is faster, and by how much. Both run in turn (A B B A, one quad) on the same inputs.
    A candidate is faster if the 95 % interval of the speedup lies above 1.01. Exit code 1: a candidate fails its
    checks, or the judge failed; 2: the task, a file or an option is wrong.
    """
    from kernelsmith.app.judging import JudgeSettings, candidate_of, opened, ready_task
    from kernelsmith.app.places import database
    from kernelsmith.core.verdict import Duel
    from kernelsmith.errors import UsageError
    from kernelsmith.report.checks_page import duel_text
    from kernelsmith.report.model_checks import duel_report

    machine = JudgeSettings(harness_python, trust_candidates, device=device)
    chosen, url = ready_task(task, machine), database(db)
    first, second = candidate_of(a, chosen, db=url), None if b == VENDOR else candidate_of(b, chosen, db=url)
    if second is None and chosen.vendor is None:
        raise UsageError(f"vendor: {chosen.name} has no vendor library; add the key `vendor` to its task.toml")
    with opened(chosen, machine, on_progress=terminal.stage) as (harness, _):
        outcome = harness.duel(first, second)
    if not isinstance(outcome, Duel):
        terminal.fault(f"no duel: {outcome.status}: {outcome.detail}")
        raise typer.Exit(1)
    report = duel_report(outcome, a=a, b=b)
    return terminal.result_json(report) if json else terminal.result(duel_text(report))
