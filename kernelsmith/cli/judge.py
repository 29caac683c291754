"""`kernelsmith judge`: the verdict on one file, written down nowhere."""

from typing import TYPE_CHECKING, Any

import typer

from kernelsmith.cli import options, terminal
from kernelsmith.report.text import columns, one_line, printable

if TYPE_CHECKING:
    from kernelsmith.core.run import Device
    from kernelsmith.core.verdict import Verdict


def judge(
    task: options.TaskArgument,
    file: options.FileOrAttempt,
    inputs: options.Inputs = None,
    trust_candidates: options.Trust = False,
    harness_python: options.HarnessPython = None,
    db: options.Database = None,
    json: options.Json = False,
) -> None:
    """Build, check and time one candidate. Exit code 0: it passed; 1: it did not."""
    from kernelsmith.judge_client.harness import parse_inputs
    from kernelsmith.cli.judging import opened, ready_task
    from kernelsmith.cli.references import candidate_of

    found = ready_task(task, harness_python=harness_python)
    candidate = candidate_of(file, found, db=options.database_url(db))
    if inputs is not None:
        parse_inputs(inputs, found)  # before anything is measured
    with opened(found, trust_candidates=trust_candidates, harness_python=harness_python) as (harness, device):
        if inputs is not None:
            passed, said = harness.reproduce(candidate, inputs)
            data, page = {"correct": passed, "detail": said}, printable(said)
        else:
            verdict = harness.submit(candidate, None).result()
            passed, data, page = verdict.passed, _data(verdict, device), _page(verdict, device)
    terminal.result_json(data) if json else terminal.result(page)
    if not passed:
        raise typer.Exit(1)


def _data(verdict: "Verdict", device: "Device") -> dict[str, Any]:
    from dataclasses import asdict

    from kernelsmith.report.telemetry import telemetry_data

    told = {"utilization": verdict.utilization, "telemetry": telemetry_data(verdict.batches), "device": asdict(device)}
    return asdict(verdict) | told


def _page(verdict: "Verdict", device: "Device") -> str:
    from kernelsmith.report.attempt_page import fact_rows, measurement_rows
    from kernelsmith.report.telemetry import telemetry_rows

    rows = [("device", one_line(device.name)), *measurement_rows(verdict.measurement, device)] if verdict.passed else []
    rows += [("batches", str(len(verdict.batches))), *telemetry_rows(verdict.batches)] if verdict.passed else []
    rows += [("note", one_line(note)) for note in verdict.notes]
    rows += fact_rows(verdict.facts)
    head = f"{verdict.status}: {printable(verdict.detail)}" if verdict.detail else f"{verdict.status}"
    return "\n".join([head, columns(rows)] if rows else [head])
