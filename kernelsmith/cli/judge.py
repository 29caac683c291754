"""`kernelsmith judge`: the verdict on one file, written down nowhere."""

import typer

from kernelsmith.cli import options, terminal


def judge(
    task: options.TaskArgument,
    file: options.FileOrAttempt,
    inputs: options.Inputs = None,
    trust_candidates: options.Trust = False,
    harness_python: options.HarnessPython = None,
    device: options.Device = None,
    db: options.Database = None,
    json: options.Json = False,
) -> None:
    """Build, check and time one candidate. Exit code 0: it passed; 1: it did not."""
    from kernelsmith.app.judging import JudgeSettings, candidate_of, opened, ready_task
    from kernelsmith.app.places import database
    from kernelsmith.core.result import result_of
    from kernelsmith.judge_client.harness import parse_inputs
    from kernelsmith.report.checks_page import reproduction_text, verdict_text
    from kernelsmith.report.model_checks import ReproductionReport, verdict_report

    machine = JudgeSettings(harness_python, trust_candidates, device=device)
    found = ready_task(task, machine)
    candidate = candidate_of(file, found, db=database(db))
    if inputs is not None:
        parse_inputs(inputs, found)  # before anything is measured
    with opened(found, machine, on_progress=terminal.stage) as (harness, found_device):
        if inputs is not None:
            again = ReproductionReport(*harness.reproduce(candidate, inputs))
            passed = again.correct
            terminal.result_json(again) if json else terminal.result(reproduction_text(again))
        else:
            verdict = verdict_report(result_of(harness.submit(candidate, None)), found_device)
            passed = verdict.verdict.passed
            terminal.result_json(verdict) if json else terminal.result(verdict_text(verdict))
    if not passed:
        raise typer.Exit(1)
