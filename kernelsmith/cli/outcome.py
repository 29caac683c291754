"""A run's last word on stdout, and its exit code."""

import typer

from kernelsmith import invocation
from kernelsmith.cli import terminal
from kernelsmith.cli.options import repeated
from kernelsmith.core.history import History
from kernelsmith.report.model import summary_report
from kernelsmith.report.summary import summary_text


def tell(history: History, *, json: bool, db: str | None) -> None:
    """Print the outcome. Raises typer.Exit(1) where no candidate has passed: the search found nothing."""
    report = summary_report(history)
    text = summary_text(report, options=repeated(db), program=invocation.command_name(), width=terminal.width())
    terminal.result_json(report) if json else terminal.result(text)
    if history.incumbent is None:
        raise typer.Exit(1)
