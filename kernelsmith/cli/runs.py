"""`kernelsmith runs`: every run of a database, oldest first."""

from dataclasses import asdict
from typing import Any

from kernelsmith.cli import options, terminal
from kernelsmith.report import figures
from kernelsmith.report.text import columns, one_line

HEADINGS = ("run", "task", "status", "attempts", "best")


def runs(db: options.Database = None, json: options.Json = False) -> None:
    """List the runs: task, status, attempts made, best utilization."""
    from kernelsmith.log.store import open_store

    with open_store(options.database_url(db), create=False) as store:
        found = [asdict(summary) for summary in store.summaries()]
    if json:
        return terminal.result_json(found)
    return terminal.result(columns([HEADINGS, *map(_row, found)], width=terminal.width()))


def _row(run: dict[str, Any]) -> tuple[str, ...]:
    best = figures.percent(run["best_utilization"])
    return run["name"], one_line(run["task"]), run["status"], str(run["attempts"]), best
