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
    """List the tasks that come with kernelsmith, or show one. Exit code 2: this machine lacks the memory for it."""
    from kernelsmith.app.preflight import require_memory
    from kernelsmith.core.task_folder import find_task, task_names
    from kernelsmith.report.model_checks import task_report
    from kernelsmith.report.task_page import task_text, tasks_text

    if name is not None:
        found = find_task(name)
        one = task_report(found)
        terminal.result_json(one) if json else terminal.result(task_text(one))
        return require_memory(found)
    known = [task_report(find_task(each)) for each in task_names()]
    return terminal.result_json(known) if json else terminal.result(tasks_text(known, width=terminal.width()))
