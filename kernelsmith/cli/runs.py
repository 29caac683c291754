"""Defines the command `kernelsmith runs`, which prints a table of all runs in an attempt log, oldest first."""

from typing import TYPE_CHECKING

from kernelsmith.cli import options, terminal

if TYPE_CHECKING:
    from kernelsmith.log.reader import RunSummary

HEADINGS = ("run", "task", "status", "attempts", "best, % of peak")


def runs(db: options.Database = None, json: options.Json = False) -> None:
    """List the runs: task, status, number of attempts, and the best attempt in percent of the device's peak."""
    from kernelsmith.app.reading import read_summaries
    from kernelsmith.report.text import columns

    summaries = read_summaries(db=db)
    if json:
        return terminal.result_json(summaries)
    return terminal.result(columns([HEADINGS, *map(_row, summaries)], width=terminal.width()))


def _row(run: "RunSummary") -> tuple[str, ...]:
    from kernelsmith.report import figures
    from kernelsmith.report.text import one_line

    best = figures.percent(run.best_utilization).removesuffix(" %")
    return run.name, one_line(run.task), run.status, str(run.attempts), best
