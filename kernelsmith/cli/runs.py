"""`kernelsmith runs`: every run of a database, oldest first."""

from typing import TYPE_CHECKING

from kernelsmith.cli import options, terminal

if TYPE_CHECKING:
    from kernelsmith.log.reader import RunSummary

HEADINGS = ("run", "task", "status", "attempts", "best")


def runs(db: options.Database = None, json: options.Json = False) -> None:
    """List the runs: task, status, attempts made, best utilization."""
    from kernelsmith.app.reading import read_summaries
    from kernelsmith.report.text import columns

    found = read_summaries(db=db)
    if json:
        return terminal.result_json(found)
    return terminal.result(columns([HEADINGS, *map(_row, found)], width=terminal.width()))


def _row(run: "RunSummary") -> tuple[str, ...]:
    from kernelsmith.report import figures
    from kernelsmith.report.text import one_line

    return run.name, one_line(run.task), run.status, str(run.attempts), figures.percent(run.best_utilization)
