"""`kernelsmith judge`: the verdict on one file, written down nowhere."""

from typing import TYPE_CHECKING, Any

import typer

from kernelsmith.cli import options, terminal
from kernelsmith.report import figures
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
    from kernelsmith.cli.judging import opened, ready_task
    from kernelsmith.cli.references import candidate_of

    found = ready_task(task, harness_python=harness_python)
    candidate = candidate_of(file, found, db=options.database_url(db))
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

    return {**asdict(verdict), "utilization": verdict.utilization, "device": asdict(device)}


def _page(verdict: "Verdict", device: "Device") -> str:
    found = verdict.measurement
    if found is None:
        return f"{verdict.status}: {printable(verdict.detail)}"
    rows = [
        (
            "utilization",
            f"{figures.percent(found.utilization)} of {figures.rate(found.peak, found.unit)}, {device.name}",
        ),
        ("time", f"{figures.interval(found)}, {len(verdict.batches)} batches"),
        ("rate", figures.rate(found.rate, found.unit)),
    ]
    rows += [("vendor", of_vendor)] if (of_vendor := figures.of_vendor(found, device)) else []
    rows += [("note", one_line(note)) for note in verdict.notes]
    rows += [("warning", one_line(warning)) for warning in verdict.facts.warnings]
    return f"{verdict.status}\n{columns(rows)}"
