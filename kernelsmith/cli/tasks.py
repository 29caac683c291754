"""`kernelsmith tasks`: what can be made fast, and one task in full."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kernelsmith.cli import options, terminal
from kernelsmith.report.text import columns, one_line

if TYPE_CHECKING:
    from kernelsmith.core.task import Task


def tasks(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A task's name or folder: show it in full.")
    ] = None,
    json: options.Json = False,
) -> None:
    """List the tasks that come with kernelsmith, or show one."""
    from kernelsmith.core.task_folder import find_task, task_names

    if name is not None:
        task = find_task(name)
        return terminal.result_json(_data(task)) if json else terminal.result(_page(task))
    known = [find_task(each) for each in task_names()]
    if json:
        return terminal.result_json([_data(task) for task in known])
    return terminal.result(
        columns([(task.name, task.device, task.unit, one_line(task.title)) for task in known], width=terminal.width())
    )


def _data(task: "Task") -> dict[str, Any]:
    return {
        "name": task.name,
        "title": task.title,
        "folder": str(task.folder),
        "device": task.device,
        "arch": task.arch,
        "unit": task.unit,
        "languages": list(task.languages),
        "vendor": task.vendor,
        "digest": task.digest,
        "signature": {"entry": task.entry, "arguments": [_argument(task, a.name) for a in task.arguments]},
        "cases": [
            {
                "name": c.name,
                "sizes": dict(c.sizes),
                "data": c.data,
                "timed": c.timed,
                "hidden": c.hidden,
                "kind": c.kind,
            }
            for c in task.cases
        ],
        "rules": list(task.rules),
        "families": [path.stem for path in task.families],
    }


def _argument(task: "Task", name: str) -> str:
    """`A float32[M, K] (input)`."""
    argument = next(a for a in task.arguments if a.name == name)
    kind = f"{argument.dtype}[{', '.join(argument.shape)}]" if argument.shape else "int"
    return f"{argument.name} {kind} ({argument.role})"


def _page(task: "Task") -> str:
    data = _data(task)
    rows = [
        (key, _cell(data[key])) for key in ("folder", "device", "unit", "languages", "vendor", "families", "digest")
    ]
    rows[2:2] = [("arch", task.arch)] if task.arch else []
    rows += [("entry", f"{task.entry}({', '.join(data['signature']['arguments'])})")]
    cases = [(c.name, _sizes(c.sizes), c.data, _role(c.timed, hidden=c.hidden)) for c in task.cases]
    rules = "\n".join(f"- {rule}" for rule in task.rules)
    parts = [f"{task.name}: {one_line(task.title)}", columns(rows), task.description.strip()]
    parts += [f"Rules\n{rules}"] if rules else []
    return "\n\n".join([*parts, f"Cases\n{columns(cases)}"])


def _cell(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value or "none")


def _sizes(sizes: Any) -> str:
    return " ".join(f"{name}={size}" for name, size in sizes.items())


def _role(weight: float, *, hidden: bool) -> str:
    """What the case is for; `hidden` means hidden from the proposer, not from the user."""
    return ", ".join([f"timed, weight {weight:g}" if weight else "checked"] + ["hidden from the proposer"] * hidden)
