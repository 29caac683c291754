"""`kernelsmith tasks`: what can be made fast, and one task in full."""

from typing import Annotated

import typer

from kernelsmith.cli import options, terminal


def tasks(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A task's name or folder: show it in full.")
    ] = None,
    json: options.Json = False,
) -> None:
    """List the tasks that come with kernelsmith, or show one."""
    from kernelsmith.core.task_folder import find_task, task_names
    from kernelsmith.report.model_checks import task_report
    from kernelsmith.report.task_page import task_text, tasks_text

    if name is not None:
        one = task_report(find_task(name))
        return terminal.result_json(one) if json else terminal.result(task_text(one))
    known = [task_report(find_task(each)) for each in task_names()]
    return terminal.result_json(known) if json else terminal.result(tasks_text(known, width=terminal.width()))
