"""`kernelsmith runs`: every run of a database, oldest first."""

from dataclasses import asdict

from kernelsmith.cli import options, terminal
from kernelsmith.report import figures
from kernelsmith.report.text import columns

HEADINGS = ("run", "task", "status", "attempts", "best")


def runs(db: options.Database = None, json: options.Json = False) -> None:
    """List the runs: task, status, attempts made, best utilization."""
    from kernelsmith.log.store import open_store

    with open_store(options.database_url(db), create=False) as store:
        found = [asdict(summary) for summary in store.summaries()]
    if json:
        return terminal.result_json(found)
    rows = [
        (run["name"], run["task"], run["status"], str(run["attempts"]), figures.percent(run["best_utilization"]))
        for run in found
    ]
    return terminal.result(columns([HEADINGS, *rows], width=terminal.width()))
