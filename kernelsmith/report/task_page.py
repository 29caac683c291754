"""Tasks as text: a row each, or one in full."""

from collections.abc import Mapping, Sequence

from kernelsmith.core.task import Case
from kernelsmith.report.model_checks import TaskReport
from kernelsmith.report.text import columns, one_line


def tasks_text(reports: Sequence[TaskReport], *, width: int | None = None) -> str:
    """Return a row for each task, cut to `width` columns where it is given."""
    return columns([(each.name, each.device, each.unit, one_line(each.title)) for each in reports], width=width)


def task_text(report: TaskReport) -> str:
    """Return the task in full."""
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
        ("unit", report.unit),
        ("languages", ", ".join(report.languages)),
        ("vendor", report.vendor or "none"),
        ("families", ", ".join(report.families)),
        ("digest", report.digest),
        ("entry", f"{signature.entry}({', '.join(signature.arguments)})"),
    ]


def _case_cells(case: Case) -> tuple[str, ...]:
    return case.name, _sizes(case.sizes), case.data, _role(case)


def _sizes(sizes: Mapping[str, int]) -> str:
    return " ".join(f"{name}={size}" for name, size in sizes.items())


def _role(case: Case) -> str:
    """What the case is for; a hidden case is hidden from the proposer, not from the user."""
    role = f"timed, weight {case.timed:g}" if case.timed else "checked"
    return f"{role}, hidden from the proposer" if case.hidden else role
