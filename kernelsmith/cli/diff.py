"""`kernelsmith diff`: two attempts, or two runs, side by side."""

from typing import Annotated

import typer

from kernelsmith.cli import options, terminal
from kernelsmith.errors import UsageError


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="RUN, or RUN:N.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one of the same kind.")],
    db: options.Database = None,
    json: options.Json = False,
) -> None:
    """Compare two attempts (RUN:N RUN:M): source, facts, time; or two runs: settings, course, best against best."""
    from kernelsmith.cli import references
    from kernelsmith.log.store import open_store
    from kernelsmith.report.attempt_diff import Side, attempts_data, attempts_page
    from kernelsmith.report.run_diff import runs_data, runs_page

    left, right = references.parse(a), references.parse(b)
    with open_store(options.database_url(db), create=False) as store:
        histories = references.history_of(store, left.run), references.history_of(store, right.run)
    if left.number is None and right.number is None:
        return terminal.result_json(runs_data(*histories)) if json else terminal.result(runs_page(*histories))
    if left.number is None or right.number is None:
        raise UsageError(f"diff {a} {b}: give two runs, or two attempts RUN:N")
    first = Side(histories[0], references.attempt_of(histories[0], left.number))
    second = Side(histories[1], references.attempt_of(histories[1], right.number))
    return terminal.result_json(attempts_data(first, second)) if json else terminal.result(attempts_page(first, second))
