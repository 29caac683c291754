"""Prints on stdout how a run ended, and chooses the exit code."""

import typer

from kernelsmith import invocation
from kernelsmith.cli import terminal
from kernelsmith.cli.options import repeated
from kernelsmith.cli.stop import INTERRUPTED
from kernelsmith.core.history import History
from kernelsmith.core.run import StopReason
from kernelsmith.report.model import summary_report
from kernelsmith.report.summary import summary_text


def print_outcome(history: History, *, json: bool, db: str | None) -> None:
    """Print the summary of a run on stdout: as JSON if `json` is true, else as text. `history` is everything that the
    log holds of the run, and `db` the value of `--db` (None = not given), which the suggested commands repeat. Raises
    typer.Exit, which ends the program, with code 130 if the user stopped the run, else with 1 if no candidate has
    passed.
    """
    report = summary_report(history)
    text = summary_text(report, options=repeated(db), program=invocation.command_name(), width=terminal.width())
    terminal.result_json(report) if json else terminal.result(text)
    exit_if_stopped(history)
    if history.incumbent is None:
        raise typer.Exit(1)


def exit_if_stopped(history: History) -> None:
    """Raise typer.Exit, which ends the program, with code 130 if the run ended because the user stopped it; otherwise
    do nothing. `history` is everything that the log holds of the run.
    """
    if summary_report(history).outcome.limit is StopReason.USER:
        raise typer.Exit(INTERRUPTED)
