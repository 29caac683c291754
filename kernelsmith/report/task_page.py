"""Render reports of tasks as text: a table with one row per task, or one task in full."""

from collections.abc import Mapping, Sequence

from kernelsmith.core.kinds import Unit
from kernelsmith.core.task import Case
from kernelsmith.report.model_checks import TaskReport
from kernelsmith.report.text import columns, one_line

HEADINGS = ("task", "device", "unit", "title")


def tasks_text(reports: Sequence[TaskReport], *, width: int | None = None) -> str:
    """Return a table as one string: a line of headings, then one line per task with name, device, unit and title.
    `width` is the number of characters to which lines are cut; None cuts nothing.
    """
    rows = [(each.name, each.device, each.unit, one_line(each.title)) for each in reports]
    return columns([HEADINGS, *rows], width=width)


def task_text(report: TaskReport) -> str:
    """Return one task in full as a string of several lines: settings, description, rules and all cases. It names the
    hidden cases, so it is for the task's owner and not for proposers.
    """
    parts = [f"{report.name}: {one_line(report.title)}", columns(_rows(report)), report.description.strip()]
    rules = "\n".join(f"- {rule}" for rule in report.rules)
    parts += [f"Rules\n{rules}"] if rules else []
    return "\n\n".join([*parts, f"Cases\n{columns([_case_cells(case) for case in report.cases])}"])


def _rows(report: TaskReport) -> list[tuple[str, str]]:
    signature = report.signature
    return [
        ("folder", report.folder),
        ("device", report.device),
        *([("arch", report.arch)] if report.arch else []),
        ("unit", f"{report.unit} ({_unit_words(report.unit)})"),
        ("languages", ", ".join(report.languages)),
        ("vendor", f"{report.vendor} (the library that figures are compared with)" if report.vendor else "none"),
        ("families", f"{', '.join(report.families)} (kernels for the tuner)" if report.families else "none"),
        ("digest", report.digest),
        ("entry", f"{signature.entry}({', '.join(signature.arguments)})"),
    ]


def _unit_words(unit: Unit) -> str:
    """Return in words what a utilization of a task is a fraction of, for example the device's peak rate of fp32
    operations. `unit` says what the task's rate counts: operations of one number type, or bytes of memory.
    """
    counted = "bytes to and from memory" if unit is Unit.DRAM else f"{unit} operations"
    return f"utilization is the achieved part of the device's peak rate of {counted}"


def _case_cells(case: Case) -> tuple[str, ...]:
    return case.name, _sizes(case.sizes), case.data, _role(case)


def _sizes(sizes: Mapping[str, int]) -> str:
    return " ".join(f"{name}={size}" for name, size in sizes.items())


def _role(case: Case) -> str:
    """Return in words how a case (one set of sizes) counts in the judgement: `timed, weight 1`, or `checked` if it is
    not timed. `, hidden from the proposer` follows if prompts must not show it.
    """
    role = f"timed, weight {case.timed:g}" if case.timed else "checked"
    return f"{role}, hidden from the proposer" if case.hidden else role
