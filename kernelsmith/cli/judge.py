"""`kernelsmith judge`: print the verdict on one candidate; nothing is recorded in the attempt log."""

from typing import TYPE_CHECKING

import typer

from kernelsmith.cli import options, terminal

if TYPE_CHECKING:
    from kernelsmith.core.candidate import Candidate
    from kernelsmith.core.run import Device
    from kernelsmith.judge_client.harness import HarnessProcess


def judge(
    task: options.TaskArgument,
    file: options.FileOrAttempt,
    inputs: options.Inputs = None,
    reveal: options.Reveal = False,
    trust_candidates: options.Trust = False,
    harness_python: options.HarnessPython = None,
    device: options.Device = None,
    db: options.Database = None,
    json: options.Json = False,
) -> None:
    """Build, check and time one candidate. Print its verdict and record nothing. Exit code 0: it passed; 1: it did not,
    or the judge failed; 2: the task, the file or an option is wrong.
    """
    from kernelsmith.app.judging import JudgeSettings, candidate_of, opened, ready_task
    from kernelsmith.app.places import database
    from kernelsmith.errors import UsageError
    from kernelsmith.judge_client.harness import parse_inputs

    if inputs is not None and reveal:
        raise UsageError("--reveal: cannot be combined with --inputs; leave one of them out")
    machine = JudgeSettings(harness_python, trust_candidates, device=device)
    chosen = ready_task(task, machine)
    candidate = candidate_of(file, chosen, db=database(db))
    if inputs is not None:
        parse_inputs(inputs, chosen)  # a wrong option is refused before anything is measured
    with opened(chosen, machine, on_progress=terminal.stage) as (harness, measured_on):
        if inputs is not None:
            passed = _reproduce(harness, candidate, inputs, json=json)
        else:
            passed = _judge(harness, candidate, measured_on, reveal=reveal, json=json)
    if not passed:
        raise typer.Exit(1)


def _judge(harness: "HarnessProcess", candidate: "Candidate", device: "Device", *, reveal: bool, json: bool) -> bool:
    """Judge a candidate with `harness`, whose judge is started, print the verdict as text or JSON, and return True if
    the candidate passed. `device` is the device that measures it. `reveal` adds to the verdict what went wrong in a
    hidden case, for the task's owner. Raises HarnessError if the judge fails.
    """
    from kernelsmith.core.result import result_of
    from kernelsmith.report.checks_page import verdict_text
    from kernelsmith.report.model_checks import verdict_report

    verdict = result_of(harness.submit_revealed(candidate) if reveal else harness.submit(candidate, None))
    report = verdict_report(verdict, device)
    terminal.result_json(report) if json else terminal.result(verdict_text(report))
    return verdict.passed


def _reproduce(harness: "HarnessProcess", candidate: "Candidate", inputs: str, *, json: bool) -> bool:
    """Run a candidate again on the inputs of one recorded batch and print what the judge found, as text or JSON; return
    True if every output was right. `inputs` names the batch as CASE:CALLS:KEY (the case, the number of calls, and the
    key that generates their inputs). Raises HarnessError if the judge fails.
    """
    from kernelsmith.report.checks_page import reproduction_text
    from kernelsmith.report.model_checks import ReproductionReport

    report = ReproductionReport(*harness.reproduce(candidate, inputs))
    terminal.result_json(report) if json else terminal.result(reproduction_text(report))
    return report.correct
