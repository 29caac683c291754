"""Defines the command `kernelsmith diff`, which compares two attempts, or two runs."""

from typing import Annotated

import typer

from kernelsmith import invocation
from kernelsmith.cli import options, terminal


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="RUN, or RUN:N.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one of the same kind.")],
    db: options.Database = None,
    json: options.Json = False,
) -> None:
    """Compare two attempts (RUN:N RUN:M): source, facts, time; or two runs: settings, first difference, best attempts.

    On a terminal the tables fit the width (COLUMNS); a file or a pipe gets every cell in full.
    """
    from kernelsmith.app.reading import read_pair
    from kernelsmith.report.attempts_diff_page import attempts_diff_text
    from kernelsmith.report.model_diff import AttemptInRun, attempts_diff
    from kernelsmith.report.model_runs_diff import runs_diff
    from kernelsmith.report.runs_diff_page import runs_diff_text

    (first, x), (second, y) = read_pair(a, b, db=db)
    words = {"options": options.repeated(db), "program": invocation.command_name()}
    if x is None or y is None:
        runs = runs_diff(first, second)
        if json:
            return terminal.result_json(runs)
        return terminal.result(runs_diff_text(runs, **words, width=terminal.width()))
    attempts = attempts_diff(AttemptInRun(first, x), AttemptInRun(second, y))
    if json:
        return terminal.result_json(attempts)
    return terminal.result(attempts_diff_text(attempts, **words, width=terminal.width()))
