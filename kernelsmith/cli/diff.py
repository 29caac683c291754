"""`kernelsmith diff`: two attempts, or two runs, side by side."""

from typing import Annotated

import typer

from kernelsmith.cli import options, terminal


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="RUN, or RUN:N.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one of the same kind.")],
    db: options.Database = None,
    json: options.Json = False,
) -> None:
    """Compare two attempts (RUN:N RUN:M): source, facts, time; or two runs: settings, course, best against best."""
    from kernelsmith.app.reading import read_pair
    from kernelsmith.report.attempts_diff_page import attempts_diff_text
    from kernelsmith.report.model_diff import AttemptInRun, attempts_diff, runs_diff
    from kernelsmith.report.runs_diff_page import runs_diff_text

    (first, x), (second, y) = read_pair(a, b, db=db)
    if x is None or y is None:
        runs = runs_diff(first, second)
        return terminal.result_json(runs) if json else terminal.result(runs_diff_text(runs))
    attempts = attempts_diff(AttemptInRun(first, x), AttemptInRun(second, y))
    if json:
        return terminal.result_json(attempts)
    return terminal.result(attempts_diff_text(attempts, options=options.repeated(db)))
