"""`kernelsmith tasks`: list the shipped tasks, or check one task folder and show it in full."""

from typing import Annotated

import typer

from kernelsmith.cli import options, terminal


def tasks(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[TASK]", help="Check and show this task: a name, a task folder, or its task.toml."),
    ] = None,
    harness_python: options.HarnessPython = None,
    json: options.Json = False,
) -> None:
    """List the tasks that come with kernelsmith, or check and show one. Checking calls every function of the task's
    benchmark.py once. Exit code 2: `judge` would refuse the task, and one line says why.
    """
    from kernelsmith.app.preflight import check_task
    from kernelsmith.core.task_folder import find_task, task_names
    from kernelsmith.report.model_checks import task_report
    from kernelsmith.report.task_page import task_text, tasks_text

    if name is not None:
        task = find_task(name)
        unchecked = check_task(task, harness_python=harness_python)
        report = task_report(task)
        terminal.result_json(report) if json else terminal.result(task_text(report))
        return terminal.progress(unchecked) if unchecked else None
    reports = [task_report(find_task(each)) for each in task_names()]
    return terminal.result_json(reports) if json else terminal.result(tasks_text(reports, width=terminal.width()))
