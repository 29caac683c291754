"""A run's last word on stdout, and its exit code."""

import typer

from kernelsmith.cli import terminal
from kernelsmith.cli.options import repeated
from kernelsmith.core.history import History
from kernelsmith.report.summary import summary, summary_text


def tell(history: History, *, json: bool, db: str | None) -> None:
    """Print the outcome. Raises typer.Exit(1) where no candidate has passed: the search found nothing."""
    terminal.result_json(summary(history)) if json else terminal.result(summary_text(history, options=repeated(db)))
    if history.incumbent is None:
        raise typer.Exit(1)
